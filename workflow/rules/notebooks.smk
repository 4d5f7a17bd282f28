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
            # Updated, so that the last good pages stay where this fails.
            notebook=update(f"{RESULTS}/notebooks/{NAME}.ipynb"),
            page=report(
                update(f"{RESULTS}/notebooks/{NAME}.html"),
                category="Notebooks",
                labels={"notebook": NAME},
            ),
            figures=[
                report(
                    update(f"{RESULTS}/figures/{figure}"),
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
            drawn=f"{RESULTS}/logs/notebooks/{NAME}",
            plugins=["-p", "plugins", os.pathsep.join(PLUGIN_FILES)] if PLUGIN_FILES else [],
            code=provenance.code_digest(SOURCE, "nup.report.notebook"),
        shell:
            # The figures are moved into place when all is done, so that none of an older call stays.
            '(export IPYTHONDIR="$(mktemp -d)" MPLBACKEND=Agg &&'
            " trap 'rm -rf \"$IPYTHONDIR\"' EXIT && rm -rf {params.drawn:q} &&"
            " papermill -k python3 --start-timeout 600 --no-progress-bar"
            " {input.source:q} {log.notebook:q}"
            " -p tables {params.tables:q} -p figures {params.drawn:q}"
            " -p claims {input.claims[0]:q} {params.plugins:q} &&"
            " python -m nup tidy-notebook {log.notebook:q} --out {output.notebook:q}"
            " --page {output.page:q} &&"
            ' for figure in {output.figures:q}; do mv {params.drawn:q}/"${{figure##*/}}" "$figure"; done'
            ") > {log.messages:q} 2>&1 || (tail -n 30 {log.messages:q} >&2; exit 1)"


rule figures:
    input:
        [f"{RESULTS}/notebooks/{name}.html" for name in NOTEBOOKS],
