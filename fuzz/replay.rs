//! Replay of the corpora and regressions of a fuzz target. The tests of each crate with targets include this file.

use std::path::Path;

/// Runs a target on each file of its corpus and of its regressions. The output names the file that fails.
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut inputs = 0;
    for folder in ["corpus", "regressions"] {
        let Ok(files) = std::fs::read_dir(fuzz.join(folder).join(target)) else { continue };
        for file in files {
            let path = file.expect("the folder can be read").path();
            println!("{}", path.display());
            run(&std::fs::read(path).expect("an input can be read"));
            inputs += 1;
        }
    }
    assert!(inputs > 0, "fuzz/corpus/{target} has no inputs");
}
