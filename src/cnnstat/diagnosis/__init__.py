"""Why a model does not run on its inputs, and which edits make it run."""
