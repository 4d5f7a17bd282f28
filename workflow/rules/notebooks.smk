# The figure notebooks: executed on the tables, and rendered as pages to read.

from nup import notebook
from nup.claims import load_catalogue

CATALOGUE = load_catalogue(ROOT / "config" / "claims.yaml")
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def caption(figure):
    """The figure's caption in the report, or the one for figures without their own."""
    folder = ROOT.absolute() / "workflow" / "report"
    own = folder / f"{Path(figure).stem}.rst"
    return own if own.is_file() else folder / "figure.rst"


for NAME, SOURCE in NOTEBOOKS.items():

    rule:
        name:
            f"notebook_{NAME}"
        input:
            source=str(SOURCE),
            claims=str(ROOT / "config" / "claims.yaml"),
            tables=[
                f"{TABLES}/{table}.parquet"
                for table in ("runs", "steps", "layers", "init", "claims")
            ],
        output:
            notebook=f"{RESULTS}/notebooks/{NAME}.ipynb",
            page=report(
                f"{RESULTS}/notebooks/{NAME}.html",
                category="Notebooks",
                labels={"notebook": NAME},
            ),
            figures=[
                report(
                    f"{RESULTS}/figures/{figure}",
                    caption=caption(figure),
                    category="Figures",
                    labels={"notebook": NAME, "figure": Path(figure).stem},
                )
                for figure in notebook.figures(SOURCE, CATALOGUE)
            ],
        log:
            messages=f"{RESULTS}/logs/notebooks/{NAME}.log",
            notebook=f"{RESULTS}/logs/notebooks/{NAME}.ipynb",
        # Kernels that start at once may pick the same port.
        retries: 2
        resources:
            mem_mb=lambda wildcards, input, attempt: attempt * (2000 + 30 * int(input.size_mb)),
            runtime=30,
        params:
            tables=TABLES,
            figures=f"{RESULTS}/figures",
            code=provenance.code_digest(SOURCE, "nup.notebook"),
        shell:
            "(export IPYTHONDIR=$(mktemp -d) MPLBACKEND=Agg &&"
            " trap 'rm -rf $IPYTHONDIR' EXIT &&"
            " papermill -k python3 --no-progress-bar {input.source} {log.notebook}"
            " -p tables {params.tables} -p figures {params.figures} -p claims {input.claims} &&"
            " python -m nup tidy-notebook {log.notebook} --out {output.notebook} &&"
            " jupyter nbconvert --to html --log-level WARN {output.notebook}"
            ") > {log.messages} 2>&1 || (tail -n 30 {log.messages} >&2; exit 1)"


rule figures:
    input:
        [f"{RESULTS}/notebooks/{name}.html" for name in NOTEBOOKS],
