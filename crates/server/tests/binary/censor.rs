//! `domicile probe` behind a censor that is real: hosts in network namespaces, and a box between them. The long form is `cargo xtask censor`.

use std::path::Path;

use domicile_testkit::censor::{Deed, Stage};

#[test]
fn the_probe_knows_what_is_done_to_it() {
    let stage = Stage::new(7, Path::new(env!("CARGO_BIN_EXE_domicile")), 1)
        .expect("this test makes network namespaces: run it as root, with /dev/net/tun and `ip`");
    for deed in
        [Deed::Nothing, Deed::ForgedAnswer, Deed::SniReset, Deed::Intercepted, Deed::BlockPage, Deed::NetworkDown]
    {
        for seen in stage.run(deed, 1).expect("the probe says something") {
            assert!(seen.kinds.iter().all(|kind| deed.right().contains(&kind.as_str())), "{}: {seen:#?}", deed.name());
        }
    }
}
