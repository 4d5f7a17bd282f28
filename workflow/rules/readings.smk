# The verdicts on every reading of the claims, from the tables alone.


rule readings:
    input:
        runs=f"{TABLES}/runs.parquet",
        steps=f"{TABLES}/steps.parquet",
        layers=f"{TABLES}/layers.parquet",
        init=f"{TABLES}/init.parquet",
        catalogue=str(ROOT / "config" / "claims.yaml"),
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
        code=provenance.code_digest("nup.claims.interpretations"),
    shell:
        "python -m nup readings --tables {params.tables} --catalogue {input.catalogue}"
        " --readings {input.readings} --out {output} --log {log}"
