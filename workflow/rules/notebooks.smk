# The figure notebooks, executed on the tables; and the pages to read, the study's own first.

from nup.claims import load_catalogue
from nup.report import contents, notebook, rendering

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
            # Updated, so that the last good ones stay where this fails.
            notebook=update(f"{RESULTS}/notebooks/{NAME}.ipynb"),
            figures=[
                reported(f"{RESULTS}/figures/{figure}", NAME)
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
            " python -m nup tidy-notebook {log.notebook:q} --out {output.notebook:q} &&"
            ' for figure in {output.figures:q}; do drawn={params.drawn:q}/"${{figure##*/}}" &&'
            # Beside each the same for print, which no rule needs.
            ' mv "$drawn" "$figure" && mv "${{drawn%.png}}.pdf" "${{figure%.png}}.pdf"; done'
            ") > {log.messages:q} 2>&1 || (tail -n 30 {log.messages:q} >&2; exit 1)"


rule pages:
    input:
        notebooks=[f"{RESULTS}/notebooks/{name}.ipynb" for name in NOTEBOOKS],
        tables=page_tables(),
        catalogue=CLAIMS,
        plugins=PLUGIN_FILES,
        # Tables that came from elsewhere may be of another one.
        config=[str(STUDY_FILE)] if TABLES == f"{RESULTS}/tables" else [],
    output:
        index=update(INDEX),
        pages=[update(f"{RESULTS}/notebooks/{name}.html") for name in NOTEBOOKS],
    log:
        f"{RESULTS}/logs/pages.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=30,
    params:
        folder=lambda wildcards, output: Path(output.index).parent,
        tables=lambda wildcards, input: Path(input.tables[0]).parent,
        config=lambda wildcards, input: [f"--config={file}" for file in input.config],
        plugins=PLUGINS,
        code=provenance.code_digest("nup.report.notebook_page", "nup.report.study_page"),
        templates=rendering.digest(),
    shell:
        "python -m nup pages {params.folder:q} --tables {params.tables:q}"
        " --notebooks {input.notebooks:q} --catalogue {input.catalogue[0]:q} {params.config:q}"
        " {params.plugins:q} --log {log:q}"


rule figures:
    input:
        rules.pages.output,
