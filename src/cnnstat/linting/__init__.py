"""Mistakes in networks that run: rules over traced runs, without data.

    registry.py    what a rule is: `@rule`, its `Page`, and the `Hit`s that it yields
    runs.py        `Runs`: the runs of a model, each made when a rule first asks for it
    rules/         the rules, a file a family
    linter.py      every rule on one model; folding.py makes findings of hits, places.py has
                   their lines
    edits/         changes of the source that mend findings; fixes.py verifies them
    results.py     `Lint`, `Finding`; view.py and formats/ show them

How to add a rule

1. A function in the file of its family under `rules/`, which yields a `Hit` for each place:

       @rule("CN305", "norm-eps", "warning", Page(what="…", why="…", fires=…, quiet=…, …))
       def norm_eps(runs: Runs) -> Iterator[Hit]:
           for module in runs.eval.modules.values():
               eps = module.settings.get("eps")
               if module.base.startswith("BatchNorm") and eps >= 0.02:
                   yield Hit(
                       path=module.path, message="eps is {eps}: the second argument is no momentum",
                       values={"eps": eps},
                   )

   It asks `runs` for what it needs: `eval`, `train`, `backward`, `batches`, `model`. A run that
   failed raises `NotRun`, which the rule lets through: the linter lists it as undecided. A rule
   about failures asks `runs.failure("backward")`. Arguments of operators are read through
   `view_of(op)`, never from `op.args`; what it decides by is traits, shapes and settings.

2. The message is a template: {at} are the paths, folded; {params} and {macs} the sums over all hits
   of one finding; other fields come from `values`. Hits of one class and attribute are one finding.

   `fix=Edit(text="momentum=0.2", plan=settings(path, {"momentum": 0.2}))` is what would mend it:
   plans of changes of the source are in `edits/`. `fixes.py` runs the model with it, and the rule
   on these runs; if the finding is gone, it is marked ✓ and written by `lint --fix`.

3. A family that is new is a file in `rules/`.

4. `make reports` writes `docs/rules/CN305.md` from its `Page`; `tests/linting/` runs
   both examples (`test_pages.py`) and has its own tests.

Precision comes first: an error or a warning is true on all of torchvision, timm and the zoo.
"""
