# Training: one job for many runs, each from its frozen specification.

PLAN = plan.reconcile(
    RUNS,
    Path(RESULTS) / "plan" / "jobs",
    Path(RESULTS) / "runs",
    seconds=60 * STUDY.jobs.minutes,
    gflops=STUDY.jobs.gflops,
    memory_mb=STUDY.jobs.memory_mb,
)


rule train:
    input:
        ancient(f"{RESULTS}/plan/jobs/{{job}}.json"),
    output:
        runs=f"{RESULTS}/runs/{{job}}/runs.parquet",
        steps=f"{RESULTS}/runs/{{job}}/steps.parquet",
        layers=f"{RESULTS}/runs/{{job}}/layers.parquet",
    log:
        f"{RESULTS}/logs/train/{{job}}.log",
    # Long jobs first, so that no core waits for the last of them.
    priority: lambda wildcards: round(planned(wildcards.job).seconds(STUDY.jobs.gflops))
    conda:
        "../../environment.yml"
    threads: STUDY.jobs.threads
    resources:
        mem_mb=lambda wildcards, attempt: attempt
        * planned(wildcards.job).memory_mb(STUDY.jobs.memory_mb),
        runtime=lambda wildcards, attempt: attempt
        * planned(wildcards.job).limit_minutes(STUDY.jobs.gflops),
        gpu=STUDY.jobs.gpus,
    params:
        out=lambda wildcards, output: Path(output.runs).parent,
        checkpoints=f"{RESULTS}/checkpoints",
        memory=f"--memory {STUDY.jobs.memory_mb:g}" if STUDY.jobs.memory_mb else "",
        device="auto" if STUDY.jobs.gpus else "cpu",
        code=provenance.code_digest("nup.jobs.execute"),
    shell:
        "python -m nup job {input} --out {params.out} --checkpoints {params.checkpoints}"
        " {params.memory} --device {params.device} --threads {threads} --log {log}"
