//! krige on a Slurm cluster: trials as batch jobs, by Slurm's command line.
