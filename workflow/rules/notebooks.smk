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
            # As far as it came, where a cell fails.
            notebook=f"{RESULTS}/logs/notebooks/{NAME}.ipynb",
        # The longest first.
        priority: len(notebook.figures(SOURCE, CATALOGUE, CONTENTS))
        conda:
            "../../environment.yml"
        resources:
            mem_mb=lambda wildcards, attempt: attempt * 4000,
            runtime=30,
        params:
            tables=lambda wildcards, input: Path(input.tables[0]).parent,
            # Beside each figure lies the same for print, which no rule needs.
            figures=lambda wildcards, output: Path(output.notebook).parents[1] / "figures",
            work=f"{RESULTS}/logs/notebooks",
            plugins=PLUGINS,
            code=provenance.code_digest(SOURCE, "nup.report.notebook", "nup.report.execution"),
        shell:
            "python -m nup notebook {input.source:q} --tables {params.tables:q}"
            " --catalogue {input.claims[0]:q} {params.plugins:q} --figures {params.figures:q}"
            " --out {output.notebook:q} --work {params.work:q} --log {log.messages:q}"


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
