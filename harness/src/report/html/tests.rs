use super::*;
use crate::report::samples;

fn text(reports: &[DrillReport]) -> String {
    page(reports).into_string()
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let text = text(&[samples::passed(), samples::failed(), samples::broken(), samples::not_restored()]);
    for outside in ["http://", "https://", "src=", "@import", "url(", "<script", "<link"] {
        assert!(!text.contains(outside), "{outside} stands in the page");
    }
    assert!(text.contains("default-src 'none'") || text.contains("default-src &#39;none&#39;"));
}

#[test]
fn a_run_of_many_has_a_table_that_leads_to_each_drill() {
    let text = text(&[samples::passed(), samples::failed()]);
    assert!(text.contains("href=\"#drill-1\"") && text.contains("id=\"drill-1\""));
    assert!(text.contains("<title>clonedrill: 2 drills failed</title>"));
}

#[test]
fn a_finding_shows_what_was_expected_and_seen_and_its_difference() {
    let text = text(&[samples::failed()]);
    assert!(text.contains("<dt>expected</dt><dd>equals before-mistake"));
    assert!(text.contains("<span class=\"plus\">+CLONE_AZURE_STORAGE_ACCOUNT"));
}

#[test]
fn what_stands_in_a_log_cannot_become_part_of_the_page() {
    let mut report = samples::failed();
    report.findings[0].evidence = vec!["<img onerror=alert(1)>".to_owned()];
    let text = text(&[report]);
    assert!(text.contains("&lt;img onerror=alert(1)&gt;") && !text.contains("<img"));
}

#[test]
fn a_log_line_is_shown_among_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let lines: Vec<String> =
        (1..=40).map(|number| format!("line {number} of the log of the clone")).collect();
    std::fs::write(folder.path().join("logs/clone-0.postgres.0.log"), lines.join("\n")).unwrap();
    let mut report = DrillReport { evidence: folder.path().to_owned(), ..samples::failed() };
    report.findings[0].evidence = vec![lines[19].clone()];
    let text = text(&[report]);
    assert!(text.contains("logs/clone-0.postgres.0.log") && text.contains("line 20</summary>"));
    assert!(text.contains("<mark>line 20 of the log of the clone</mark>"));
    assert!(text.contains("line 14 of the log") && text.contains("line 26 of the log"));
    assert!(!text.contains("line 13 of the log") && !text.contains("line 27 of the log"));
}

#[test]
fn observations_are_taken_from_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("env")).unwrap();
    std::fs::write(folder.path().join("env/clone.txt"), "CLONE_METHOD  clone-section  CLONE_WITH_WALE")
        .unwrap();
    std::fs::write(folder.path().join("storage.txt"), "account prodbackups").unwrap();
    let text = text(&[DrillReport { evidence: folder.path().to_owned(), ..samples::passed() }]);
    assert!(text.contains("<summary>env of clone</summary>") && text.contains("CLONE_WITH_WALE"));
    assert!(text.contains("clonedrill run scenarios/clone/into-another-account.yaml --operator v1.15.1"));
    assert!(text.contains("<summary>storage</summary>") && text.contains("account prodbackups"));
    assert!(!text.contains("<summary>logs</summary>"));
}

#[test]
fn a_restore_shows_its_budgets_phases_and_proofs() {
    let text = text(&[samples::not_restored()]);
    assert!(text.contains("restore of prod/acid-orders") && !text.contains("operator v1.15.1"));
    assert!(text.contains("<span class=\"bad\">38 min 13 s</span>") && text.contains(", over budget"));
    assert!(text.contains("at most 1 min 45 s</span>") && text.contains("2026-11-24 02:58:12.304518 UTC"));
    assert!(text.contains("<td>replay</td><td>03:12:31</td><td class=\"number\">3 min 34 s</td>"));
    // Only the longest of the six phases is marked, and only the longest of the drill's own three.
    assert_eq!(text.matches("class=\"longest\"").count(), 2);
    assert_eq!(text.matches(">holds</span>").count(), 3);
    assert!(text.contains(
        ">fails</span></td><td>orders: SELECT count(*) FROM orders</td><td>at least 1000</td><td>0<pre>"
    ));
    assert!(text.contains("was it truncated before the target?</p>"));
    assert!(text.contains("<summary>the clone's manifest</summary>") && text.contains("kind: postgresql"));
    assert!(text.contains("<pre>clonedrill drill drills/orders.yaml --kubeconfig ~/.kube/config</pre>"));
    assert!(!text.contains("clonedrill run"));
}

/// A picture that is scaled to the page's width scales its texts too: on a telephone nobody can read them.
#[test]
fn titles_and_times_of_the_bars_are_texts_of_the_page() {
    let text = text(&[samples::restored()]);
    assert!(!text.contains("<text"), "a picture has texts in it");
    let bar = "<div class=\"bar\"><span>replay</span><span class=\"track\">";
    assert!(text.contains(bar) && text.contains("<span class=\"time\">3 min 34 s</span>"), "{text}");
}

#[test]
fn a_restore_that_measured_nothing_shows_what_is_known() {
    let text = text(&[samples::restore_broken()]);
    assert!(text.contains("<dt>seen</dt><dd>ErrImagePull</dd>") && text.contains("drills/acid-orders-drill"));
    for nothing in ["RPO", "<svg", "class=\"bar\"", "What was proved", "Again"] {
        assert!(!text.contains(nothing), "{nothing} of a drill that has none");
    }
}
