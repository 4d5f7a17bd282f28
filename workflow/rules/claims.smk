# The verdicts on the claims, from the tables alone.


rule claims:
    input:
        runs=f"{TABLES}/runs.parquet",
        steps=f"{TABLES}/steps.parquet",
        layers=f"{TABLES}/layers.parquet",
        init=f"{TABLES}/init.parquet",
        catalogue=CLAIMS,
        plugins=PLUGIN_FILES,
    output:
        f"{TABLES}/claims.parquet",
    log:
        f"{RESULTS}/logs/claims.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=30,
    params:
        tables=lambda wildcards, input: Path(input.runs).parent,
        plugins=PLUGINS,
        code=provenance.code_digest("nup.claims", "nup.claims.estimators.*"),
    shell:
        "python -m nup claims --tables {params.tables:q} --catalogue {input.catalogue[0]:q}"
        " {params.plugins:q} --out {output:q} --log {log:q}"
