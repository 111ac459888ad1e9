//! A forked child computes: the parent's threads do not exist in it.

use std::process::Command;

use ndarray::Array2;
use nearsort::similarity::dot_products_block;
use nearsort::{Answer, Model, ModelOptions, Reranker};

use crate::support::tiny_path;

/// The test of this program that forks, in a process of its own.
const PARENT: &str = "fork::a_parent_that_forks";
/// A child that still waits after so many seconds is killed by its own alarm.
const SECONDS: u32 = 60;

#[test]
fn a_forked_child_ranks_by_a_model_that_its_parent_loaded_and_used() {
    let mut parent = Command::new(std::env::current_exe().unwrap());
    let output = parent.args([PARENT, "--exact", "--ignored", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "forks; run by the test above in a process of its own"]
fn a_parent_that_forks() {
    let docs: Vec<String> = (0..50).map(|at| format!("text {at} of a tower")).collect();
    let load = |options: ModelOptions| Model::load(&tiny_path("tiny-bert"), options).unwrap();
    // Threads of its own, and the process's.
    let models = [load(ModelOptions::default().threads(2)), load(ModelOptions::default())];
    let rank = |model: &Model| Reranker::new(model).rank("which tower", &docs).run().unwrap();
    let rows = Array2::from_shape_fn((20_000, 64), |(row, at)| ((row * 31 + at) % 17) as f32);
    let similar = || dot_products_block(rows.slice(ndarray::s![..1, ..]), rows.view()).unwrap();
    let (expected, scores): (Vec<Answer>, _) = (models.iter().map(rank).collect(), similar());
    let is_same = || models.iter().map(rank).collect::<Vec<_>>() == expected && similar() == scores;
    // SAFETY: the child only computes and ends by `_exit`, so nothing of the parent's is run down
    // twice.
    let status = unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(SECONDS);
                libc::_exit(i32::from(!is_same()))
            }
            child => {
                assert!(child > 0);
                let mut status = 0;
                libc::waitpid(child, &raw mut status, 0);
                status
            }
        }
    };
    assert_eq!(status, 0, "14: the child hung");
    assert!(is_same(), "the parent goes on as before");
}
