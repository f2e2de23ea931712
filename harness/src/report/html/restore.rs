//! What a restore drill measured and proved, on the page.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{budget, timeline};
use crate::report::proof::counted;
use crate::report::text::duration;
use crate::report::{Proof, ProofState, RecoveryPhase, Restore};

pub(super) fn section(restore: &Restore) -> Markup {
    html! {
        h3 { "What was restored" }
        (facts(restore))
        @if restore.rpo.is_some() || restore.rto.is_some() {
            h3 { "How much would have been lost, how long it took" }
            div class="measures" {
                @if let Some(rpo) = restore.rpo { (budget::row("RPO", "from the last commit that came back to the target", rpo)) }
                @if let Some(rto) = restore.rto { (budget::row("RTO", "from the clone's creation until its data were verified", rto)) }
            }
        }
        @if !restore.phases.is_empty() {
            h3 { "What the recovery time was spent with" }
            (timeline::of_recovery(&restore.phases))
            @if !restore.largest_cause.is_empty() { p { "Largest: " (restore.largest_cause) } }
            (phases(&restore.phases))
        }
        @if !restore.proofs.is_empty() {
            h3 { "What was proved" }
            p { (counted(&restore.proofs)) }
            (proofs(&restore.proofs))
        }
        @if !restore.manifest.is_empty() {
            details { summary { "the clone's manifest" } pre { (restore.manifest) } }
        }
    }
}

fn facts(restore: &Restore) -> Markup {
    let age = restore.backup_age().and_then(|age| u64::try_from(age.as_millis()).ok());
    html! {
        dl {
            dt { "source" } dd { (restore.source) }
            @if !restore.clone.is_empty() {
                dt { "clone" } dd { (restore.clone) " " span class="faint" { "context " (restore.context) } }
            }
            @if let Some(started) = restore.started { dt { "started" } dd { (seconds(started)) } }
            @if let Some(target) = restore.target { dt { "target" } dd { (seconds(target)) } }
            @if let Some(backup) = &restore.backup {
                dt { "base backup" }
                dd {
                    code { (backup.name) }
                    @if let Some(begun) = backup.started { " begun " (seconds(begun)) }
                    @if let Some(age) = age { ", " (duration(age)) " before the target" }
                }
            }
            @if let Some(time) = restore.recovered_to { dt { "data up to" } dd { (time.strftime("%Y-%m-%d %H:%M:%S%.f UTC").to_string()) } }
        }
    }
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn phases(phases: &[RecoveryPhase]) -> Markup {
    html! {
        table {
            tr { th { "Phase" } th { "Began" } th class="number" { "Took" } th { "Ended by" } }
            @for phase in phases {
                tr {
                    td { (phase.phase.name()) }
                    td { (phase.began.strftime("%H:%M:%S").to_string()) }
                    td class="number" { (duration(phase.milliseconds)) }
                    td { code { (phase.shown_by) } }
                }
            }
        }
    }
}

fn proofs(proofs: &[Proof]) -> Markup {
    html! {
        table {
            tr { th {} th { "Proof" } th { "Expected" } th { "Seen" } }
            @for proof in proofs {
                tr {
                    td { (state(proof.state)) }
                    td { (proof.what) }
                    td { (proof.expected) }
                    td {
                        (proof.seen)
                        @if !proof.unchecked.is_empty() {
                            ul { @for gap in &proof.unchecked { li { "not checked: " (gap.what) ", since " (gap.why) } } }
                        }
                        @if !proof.evidence.is_empty() { pre { (proof.evidence.join("\n")) } }
                        @if !proof.help.is_empty() { p class="faint" { (proof.help) } }
                    }
                }
            }
        }
    }
}

fn state(state: ProofState) -> Markup {
    let class = match state {
        ProofState::Holds => "verdict passed",
        ProofState::Fails => "verdict failed",
        ProofState::Partly => "verdict",
    };
    html! { span class=(class) { (state.name()) } }
}
