# The tidy tables. What they are to hold is a file named after its content: when the wanted runs
# change, so does the input.


rule tables:
    input:
        selection=ancient(str(PLAN.write_selection(Path(RESULTS) / "plan" / "selections"))),
        runs=[f"{RESULTS}/runs/{job}/runs.parquet" for job in sorted(PLAN.jobs)],
        steps=[f"{RESULTS}/runs/{job}/steps.parquet" for job in sorted(PLAN.jobs)],
        layers=[f"{RESULTS}/runs/{job}/layers.parquet" for job in sorted(PLAN.jobs)],
    output:
        runs=f"{TABLES}/runs.parquet",
        steps=f"{TABLES}/steps.parquet",
        layers=f"{TABLES}/layers.parquet",
    log:
        f"{RESULTS}/logs/tables.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=30,
    params:
        runs=lambda wildcards, input: Path(input.runs[0]).parents[1],
        out=lambda wildcards, output: Path(output.runs).parent,
        code=provenance.code_digest("nup.tables.collect"),
    shell:
        "python -m nup tables {input.selection} --runs {params.runs} --out {params.out} --log {log}"


rule init:
    input:
        ancient(
            str(
                plan.write_initialization(
                    INITIALIZATIONS, Path(RESULTS) / "plan" / "initialization"
                )
            )
        ),
    output:
        f"{TABLES}/init.parquet",
    log:
        f"{RESULTS}/logs/init.log",
    # Before any training: it is one job, and nothing else could run beside its end.
    priority: 10**6
    conda:
        "../../environment.yml"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        code=provenance.code_digest("nup.jobs.initialization"),
    shell:
        "python -m nup init {input} --out {output} --log {log}"
