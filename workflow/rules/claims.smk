# The verdicts on the claims and on each of their readings, from the tables alone.


rule claims:
    input:
        runs=f"{TABLES}/runs.parquet",
        steps=f"{TABLES}/steps.parquet",
        layers=f"{TABLES}/layers.parquet",
        init=f"{TABLES}/init.parquet",
        catalogue=CLAIMS,
        plugins=PLUGIN_FILES,
    output:
        claims=update(f"{TABLES}/claims.parquet"),
        readings=update(f"{TABLES}/readings.parquet"),
    log:
        f"{RESULTS}/logs/claims.log",
    # The longest of what follows training.
    priority: 10**3
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
        " {params.plugins:q} --out {output.claims:q} --readings {output.readings:q} --log {log:q}"
