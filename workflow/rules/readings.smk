# The verdicts on every interpretation of the claims, from the tables alone.


rule readings:
    input:
        runs=f"{TABLES}/runs.parquet",
        steps=f"{TABLES}/steps.parquet",
        layers=f"{TABLES}/layers.parquet",
        init=f"{TABLES}/init.parquet",
        catalogue=CLAIMS,
        plugins=PLUGIN_FILES,
        readings=str(ROOT / "config" / "readings.yaml"),
    output:
        f"{TABLES}/readings.parquet",
    log:
        f"{RESULTS}/logs/readings.log",
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
        code=provenance.code_digest("nup.claims.interpretations", "nup.claims.estimators.*"),
    shell:
        "python -m nup readings --tables {params.tables:q} --catalogue {input.catalogue[0]:q}"
        " {params.plugins:q} --readings {input.readings:q} --out {output:q} --log {log:q}"
