# Jobs of every kind: many runs, nets or measurements each, from its frozen specification; and the
# tables that are collected from them.

LIMITS = Limits(
    60 * STUDY.jobs.minutes, STUDY.jobs.gflops, STUDY.jobs.memory_mb, STUDY.jobs.threads
)
# On a cluster a job also holds two Snakemakes, of the submission and of its step: megabytes of both.
SNAKEMAKES = 600
MEMORY = [f"--memory={STUDY.jobs.memory_mb:g}"] if STUDY.jobs.memory_mb else []
BACKEND = [] if STUDY.jobs.compiled else ["--no-compiled"]
# Results of other code or versions than the rest are refused unless they are accepted by name.
ACCEPT = ["--accept-mixed"] if config.get("accept_mixed") else []
# Kind of work: the rule that does it, the folder of its jobs' tables, the rule that collects them.
RULES = {
    kinds.TRAINING: ("train", "runs", "tables"),
    kinds.PHASES: ("search", "phases", "phases"),
    kinds.INITIALIZATION: ("measure", "init", "init"),
}


def wanted(kind):
    """What the study wants of one kind of work."""
    grids = {
        kinds.TRAINING: grid.runs,
        kinds.INITIALIZATION: grid.initializations,
        kinds.PHASES: grid.phase_diagrams,
    }
    return grids[kind](STUDY, STUDY_FILE)


def outline(kind, folder):
    """The plan of one kind of work in outline."""
    if not workflow.is_main_process:
        return OUTLINES[kind.name]
    place = outlines.Place(kind, Path(RESULTS) / "plan", Path(RESULTS) / folder)
    try:
        return outlines.outline(place, lambda: wanted(kind), LIMITS, STUDY_FILE)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def migrate():
    """Move what an earlier version has left to where this one looks for it."""
    try:
        moved = migration.migrate(Path(RESULTS))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    if moved:
        print(
            f"{RESULTS}: moved {moved} files and folders of jobs into subfolders, where this "
            "version has them",
            file=sys.stderr,
        )


if workflow.is_main_process:
    migrate()


for KIND, (COMPUTE, FOLDER, COLLECT) in RULES.items():

    OUTLINE = OUTLINES[KIND.name] = outline(KIND, FOLDER)
    FILES = KIND.files(f"{RESULTS}/{FOLDER}", places.JOB)
    PLANNED = places.place(f"{RESULTS}/plan/{KIND.name}", places.JOB, ".json")
    LOG = places.place(f"{RESULTS}/logs/{KIND.name}", places.JOB, ".log")

    rule:
        name:
            COMPUTE
        input:
            ancient(str(PLANNED)),
        output:
            **{name: str(path) for name, path in FILES.items()},
        log:
            str(LOG),
        wildcard_constraints:
            **places.PATTERNS,
        # Long jobs first, so that no core waits for the last of them.
        priority: lambda wildcards, of=OUTLINE: round(of.needs(wildcards.job).seconds)
        conda:
            "../../environment.yml"
        threads: STUDY.jobs.threads
        resources:
            mem_mb=lambda wildcards, attempt, of=OUTLINE: attempt
            * of.needs(wildcards.job).memory_mb
            + (0 if workflow.local_exec else SNAKEMAKES),
            runtime=lambda wildcards, attempt, of=OUTLINE: attempt * of.needs(wildcards.job).minutes,
            gpu=STUDY.jobs.gpus if KIND.gpu else 0,
        params:
            out=lambda wildcards, output: output[0] if len(output) == 1 else Path(output[0]).parent,
            checkpoints=f"{RESULTS}/checkpoints",
            options=[*MEMORY, *BACKEND, *PLUGINS],
            # A GPU that was asked for and is not there is an error, never a CPU.
            device="cuda" if STUDY.jobs.gpus and KIND.gpu else "cpu",
            code=lambda wildcards, of=OUTLINE: of.needs(wildcards.job).code,
        shell:
            "python -m nup job {input:q} --out {params.out:q} --checkpoints {params.checkpoints:q}"
            " --code {params.code} --device {params.device} --threads {threads} --log {log:q}"
            " {params.options:q}"

    rule:
        name:
            COLLECT
        input:
            # A file named after its content: when what is wanted changes, so does the input.
            selection=ancient(OUTLINE.selection),
            jobs=[
                str(path)
                for job in OUTLINE.jobs
                for path in KIND.files(f"{RESULTS}/{FOLDER}", job).values()
            ],
        output:
            # Updated, so that the last good tables stay where this fails.
            **{name: update(f"{TABLES}/{name}.parquet") for name in KIND.tables},
        log:
            f"{RESULTS}/logs/{COLLECT}.log",
        conda:
            "../../environment.yml"
        resources:
            mem_mb=lambda wildcards, attempt: attempt * 4000,
            runtime=30,
        params:
            # A function, since a study that wants none has no job to infer the folder from.
            jobs=lambda wildcards, folder=FOLDER: f"{RESULTS}/{folder}",
            # Jobs keep their tables there until now: if this fails, or Snakemake is killed before,
            # none is computed again.
            checkpoints=f"{RESULTS}/checkpoints",
            out=lambda wildcards, output: Path(output[0]).parent,
            options=[*ACCEPT, *PLUGINS],
            # Observables have the columns of the tables.
            code=provenance.code_digest("nup.tables.collect", "nup.training.observables.*"),
        shell:
            "python -m nup tables {input.selection:q} --jobs {params.jobs:q} --out {params.out:q}"
            " --checkpoints {params.checkpoints:q} --log {log:q} {params.options:q}"


COLLECTS = [collect for _, _, collect in RULES.values()]
# What follows the training of such a study takes less time than a queue.
SMALL_SECONDS = 3600
SMALL = workflow.is_main_process and SMALL_SECONDS > sum(
    of.needs(job).seconds for of in OUTLINES.values() for job in of.jobs
)
