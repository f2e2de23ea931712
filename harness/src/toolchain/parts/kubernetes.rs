//! kube-apiserver and kube-controller-manager, built from one module of ours.

use super::super::go::GoRecipe;

pub(crate) const VERSION: &str = "1.34.4";

pub(super) fn recipe() -> GoRecipe {
    GoRecipe {
        files: vec![
            ("go.mod", include_str!("../../../toolchain/kubernetes/go.mod").to_owned()),
            ("go.sum", include_str!("../../../toolchain/kubernetes/go.sum").to_owned()),
            ("tools.go", include_str!("../../../toolchain/kubernetes/tools.go").to_owned()),
        ],
        programs: &[
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            ("k8s.io/kubernetes/cmd/kube-controller-manager", "kube-controller-manager"),
        ],
        cgo: false,
        tags: "",
        // Without these the API server calls itself v0.0.0, and refuses its own feature gates.
        ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=v1.34.4 \
                  -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34",
        pinned: true,
    }
}
