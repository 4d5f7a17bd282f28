# The figure notebooks: executed on the tables, and rendered as pages to read.

from nup.claims import load_catalogue
from nup.report import contents, notebook

CATALOGUE = load_catalogue(*CLAIMS)
CONTENTS = study_contents()
NOTEBOOKS = drawn_notebooks()


for NAME, SOURCE in NOTEBOOKS.items():

    rule:
        name:
            f"notebook_{NAME}"
        input:
            source=str(SOURCE),
            claims=CLAIMS,
            plugins=PLUGIN_FILES,
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
                for figure in notebook.figures(SOURCE, CATALOGUE, CONTENTS)
            ],
        log:
            messages=f"{RESULTS}/logs/notebooks/{NAME}.log",
            notebook=f"{RESULTS}/logs/notebooks/{NAME}.ipynb",
        # The longest first.
        priority: len(notebook.figures(SOURCE, CATALOGUE, CONTENTS))
        # Kernels that start at once may pick the same port.
        retries: 2
        conda:
            "../../environment.yml"
        resources:
            mem_mb=lambda wildcards, attempt: attempt * 4000,
            runtime=30,
        params:
            tables=lambda wildcards, input: Path(input.tables[0]).parent,
            figures=lambda wildcards: f"{RESULTS}/figures",
            plugins=["-p", "plugins", os.pathsep.join(PLUGIN_FILES)] if PLUGIN_FILES else [],
            code=provenance.code_digest(SOURCE, "nup.report.notebook"),
        shell:
            '(export IPYTHONDIR="$(mktemp -d)" MPLBACKEND=Agg &&'
            " trap 'rm -rf \"$IPYTHONDIR\"' EXIT &&"
            " papermill -k python3 --no-progress-bar {input.source:q} {log.notebook:q}"
            " -p tables {params.tables:q} -p figures {params.figures:q}"
            " -p claims {input.claims[0]:q} {params.plugins:q} &&"
            " python -m nup tidy-notebook {log.notebook:q} --out {output.notebook:q}"
            " --page {output.page:q}"
            ") > {log.messages:q} 2>&1 || (tail -n 30 {log.messages:q} >&2; exit 1)"


rule figures:
    input:
        [f"{RESULTS}/notebooks/{name}.html" for name in NOTEBOOKS],
