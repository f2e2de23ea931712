//! The book as mdBook makes it of the pages: all of them, with links that lead somewhere.

use std::fs;
use std::path::Path;

use mdbook_driver::MDBook;
use regex::Regex;

use super::docs::{files, root};

/// Builds the book of a folder, and gives the links in it that lead nowhere.
fn broken_links(pages: &Path) -> Vec<String> {
    let into = tempfile::tempdir().unwrap();
    let mut book = MDBook::load(pages).unwrap();
    into.path().clone_into(&mut book.config.build.build_dir);
    book.build().unwrap();

    let mut made = Vec::new();
    files(into.path(), "html", &mut made);
    let (href, id) = (Regex::new(r#"<a[^>]* href="([^"]*)""#).unwrap(), |id: &str| format!("id=\"{id}\""));
    let mut broken = Vec::new();
    for page in made {
        let name = page.strip_prefix(into.path()).unwrap();
        let text = fs::read_to_string(&page).unwrap();
        for link in href.captures_iter(&text).map(|found| found[1].to_owned()) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            if link.contains("://") || name.ends_with("404.html") {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let leads = match fs::read_to_string(&target) {
                Ok(there) => anchor.is_empty() || there.contains(&id(anchor)),
                // What is no page of the book stands beside its source.
                Err(_) => pages.join(name).parent().unwrap().join(file).exists(),
            };
            if !leads {
                broken.push(format!("{}: {link}", name.display()));
            }
        }
    }
    broken
}

#[test]
fn mdbook_makes_it_and_every_link_in_it_leads_somewhere() {
    let broken = broken_links(&root().join("harness/docs"));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_link_that_the_built_book_lacks_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("book.toml", "[book]\nsrc = \".\"\n");
    write("SUMMARY.md", "# Summary\n\n- [One](one.md)\n");
    write("one.md", "# One\n\n[here](#one) [there](two.md) [no heading](one.md#two)\n");
    let mut broken = broken_links(folder.path());
    broken.dedup();
    assert!(broken.iter().any(|link| link.ends_with("one.html: two.html")), "{broken:?}");
    assert!(broken.iter().any(|link| link.ends_with("one.html: one.html#two")), "{broken:?}");
    assert!(!broken.iter().any(|link| link.ends_with("#one")), "{broken:?}");
}
