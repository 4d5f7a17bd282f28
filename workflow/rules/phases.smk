# Phase diagrams: critical learning rates against depth and width, several nets a job.

PHASES = phase_plan.reconcile(
    PHASE_DIAGRAMS,
    Path(RESULTS) / "plan" / "phases",
    Path(RESULTS) / "phases",
    length=60 * STUDY.jobs.minutes,
    gflops=STUDY.jobs.gflops,
)


rule search:
    input:
        ancient(f"{RESULTS}/plan/phases/{{job}}.json"),
    output:
        f"{RESULTS}/phases/{{job}}.parquet",
    log:
        f"{RESULTS}/logs/phases/{{job}}.log",
    conda:
        "../../environment.yml"
    threads: STUDY.jobs.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt * planned_phases(wildcards.job).memory_mb,
        runtime=lambda wildcards, attempt: attempt
        * planned_phases(wildcards.job).limit_minutes(STUDY.jobs.gflops),
        gpu=STUDY.jobs.gpus,
    params:
        device="auto" if STUDY.jobs.gpus else "cpu",
        code=provenance.code_digest("nup.jobs.phases"),
    shell:
        "python -m nup phases {input} --out {output} --device {params.device}"
        " --threads {threads} --log {log}"


rule phases:
    input:
        selection=ancient(
            str(
                plan.write_selection(PHASES.selection, Path(RESULTS) / "plan" / "phase-selections")
            )
        ),
        jobs=[f"{RESULTS}/phases/{job}.parquet" for job in sorted(PHASES.jobs)],
    output:
        f"{TABLES}/phases.parquet",
    log:
        f"{RESULTS}/logs/phases.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: attempt * 4000,
        runtime=30,
    params:
        # A function, since a study without phase diagrams has no job to infer the folder from.
        jobs=lambda wildcards: f"{RESULTS}/phases",
        code=provenance.code_digest("nup.tables.collect"),
    shell:
        "python -m nup collect-phases {input.selection} --jobs {params.jobs} --out {output} --log {log}"
