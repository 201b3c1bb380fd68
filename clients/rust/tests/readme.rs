//! The README shows the program that is compiled and run, not one that looks like it.

#[test]
fn the_snippet_is_the_example() {
    let readme = include_str!("../README.md");
    let (_, rest) = readme
        .split_once("<!-- snippet: rust -->\n```rust\n")
        .unwrap();
    let (snippet, _) = rest.split_once("```\n<!-- end -->").unwrap();
    assert_eq!(snippet, include_str!("../examples/snippet.rs"));
}
