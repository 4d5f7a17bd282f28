# The figure notebooks: executed on the tables, and rendered as pages to read.

from nup.claims import load_catalogue
from nup.report import notebook

CATALOGUE = load_catalogue(ROOT / "config" / "claims.yaml")
NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


for NAME, SOURCE in NOTEBOOKS.items():

    rule:
        name:
            f"notebook_{NAME}"
        input:
            source=str(SOURCE),
            claims=str(ROOT / "config" / "claims.yaml"),
            tables=[f"{TABLES}/{table}.parquet" for table in notebook.tables(SOURCE)],
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
        # The longest first.
        priority: len(notebook.figures(SOURCE, CATALOGUE))
        # Kernels that start at once may pick the same port.
        retries: 2
        conda:
            "../../environment.yml"
        resources:
            mem_mb=lambda wildcards, attempt: attempt * 4000,
            runtime=30,
        params:
            tables=lambda wildcards, input: Path(input.tables[0]).parent,
            figures=lambda wildcards, output: Path(output.figures[0]).parent,
            code=provenance.code_digest(SOURCE, "nup.report.notebook"),
        shell:
            "(export IPYTHONDIR=$(mktemp -d) MPLBACKEND=Agg &&"
            " trap 'rm -rf $IPYTHONDIR' EXIT &&"
            " papermill -k python3 --no-progress-bar {input.source} {log.notebook}"
            " -p tables {params.tables} -p figures {params.figures} -p claims {input.claims} &&"
            " python -m nup tidy-notebook {log.notebook} --out {output.notebook} --page {output.page}"
            ") > {log.messages} 2>&1 || (tail -n 30 {log.messages} >&2; exit 1)"


rule figures:
    input:
        [f"{RESULTS}/notebooks/{name}.html" for name in NOTEBOOKS],
