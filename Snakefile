# The front: `snakemake --cores N` here trains, judges the claims, draws the figures, writes the report.
#
#   snakemake --cores 4                             the default study, config/laptop.yaml
#   snakemake --cores 4 --config study=ci           another study, by name or by the path of a .yaml
#   snakemake --cores 4 figures                     the notebooks again, from the tables that exist
#   snakemake --profile slurm                       on a cluster, see docs/cluster.md


include: "workflow/Snakefile"


rule reproduce:
    default_target: True
    input:
        rules.all.input,
