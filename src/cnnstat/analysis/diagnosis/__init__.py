"""What a failed run means and what would mend it: values in, values out, no torch."""
