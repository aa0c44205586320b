//! A sweep as a Slurm job array.

use std::path::Path;

use super::plan::Plan;
use crate::Failure;

/// Most tasks of an array: Slurm's MaxArraySize is 1001 unless its administrator says otherwise.
const TASKS_MAX: usize = 1000;

/// The script: each task runs its part of the cells into the same folder.
///
/// # Errors
/// If a path has characters that a batch script's directives would read otherwise.
pub(super) fn script(
    plan: &Plan,
    program: &Path,
    folder: &Path,
    jobs: usize,
) -> Result<String, Failure> {
    let plain = |path: &Path| -> Result<String, Failure> {
        let ok = |c: char| c.is_ascii_alphanumeric() || "/._-+=".contains(c);
        match path.to_str().filter(|text| text.chars().all(ok)) {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!(
                "{}: for --slurm a path has letters, digits and / . _ - + = only",
                path.display()
            )
            .into()),
        }
    };
    let (program, folder) = (plain(program)?, plain(folder)?);
    let (cells, tasks) = (plan.count(), plan.count().min(TASKS_MAX));
    let last = tasks - 1;
    Ok(format!(
        "#!/bin/bash\n\
         # {cells} cells of {name} by nearcast sweep, {jobs} tasks at a time. Hand it to sbatch; when all\n\
         # tasks have ended: {program} sweep --out {folder} --collect\n\
         #SBATCH --job-name=nearcast-sweep\n\
         #SBATCH --array=0-{last}%{jobs}\n\
         #SBATCH --ntasks=1\n\
         #SBATCH --cpus-per-task=1\n\
         #SBATCH --output={folder}/slurm-%A_%a.txt\n\
         exec {program} sweep --out {folder} --jobs 1 --part \"${{SLURM_ARRAY_TASK_ID:?}}/{tasks}\"\n",
        name = plan.scenario
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_in_a_task_and_no_path_says_more_than_a_path() {
        let axes = vec!["seed=1..2500".parse().expect("well formed")];
        let plan = Plan::new("scale", &[], axes).expect("good");
        let text = |folder: &str| script(&plan, Path::new("/bin/nearcast"), Path::new(folder), 8);
        let script = text("/data/a-1").expect("plain paths");
        assert!(script.contains("--array=0-999%8\n"));
        assert!(script.contains("--part \"${SLURM_ARRAY_TASK_ID:?}/1000\"\n"));
        for folder in ["/data/a b", "/data/$(reboot)", "/data/%j", "/data/a\n#SBATCH --root"] {
            assert!(text(folder).is_err(), "{folder}");
        }
    }
}
