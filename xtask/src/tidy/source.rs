//! Rules for each Rust file: how long it and its functions may be, where `unsafe` may stand, and
//! words that belong to unfinished work.

use super::Finding;
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::ops::RangeInclusive;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Signature};

const FUNCTION_LIMIT_LINES: usize = 70;
const FILE_LIMIT_LINES: usize = 600;

/// The only crate that may hold unsafe code.
const UNSAFE_FOLDER: &str = "crates/base/sys/";

/// Macros that mark unfinished work.
const STRAY_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// What breaks a rule in the file at this path, which is relative to the checkout.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let (tokens, file) = match parse(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            return vec![finding(
                path,
                error.span().start().line,
                "syntax",
                error.to_string(),
            )];
        }
    };
    let mut findings = Vec::new();
    if !is_test(path) {
        let mut lengths = Lengths::default();
        lengths.visit_file(&file);
        findings.extend(lengths.findings(path, text));
    }
    let mut words = Words { path, findings };
    words.walk(tokens);
    words.findings
}

fn parse(text: &str) -> syn::Result<(TokenStream, syn::File)> {
    let tokens: TokenStream = text.parse()?;
    let file = syn::parse2(tokens.clone())?;
    Ok((tokens, file))
}

/// Whether the whole file is tests.
fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| ["tests", "tests.rs", "benches", "fuzz"].contains(&part))
}

fn finding(path: &str, line: usize, rule: &'static str, message: String) -> Finding {
    Finding {
        path: path.to_owned(),
        line: Some(line),
        rule,
        message,
    }
}

/// The lines of everything but tests.
#[derive(Default)]
struct Lengths {
    functions: Vec<(String, RangeInclusive<usize>)>,
    test_lines: usize,
}

impl Lengths {
    fn function(&mut self, signature: &Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.functions
            .push((signature.ident.to_string(), first..=last));
    }

    fn findings(&self, path: &str, text: &str) -> Vec<Finding> {
        let too_long = self.functions.iter().filter_map(|(name, lines)| {
            let count = lines.clone().count();
            let message =
                format!("`{name}` has {count} lines; {FUNCTION_LIMIT_LINES} are the limit");
            (count > FUNCTION_LIMIT_LINES)
                .then(|| finding(path, *lines.start(), "function length", message))
        });
        let mut findings: Vec<_> = too_long.collect();
        let count = text.lines().count().saturating_sub(self.test_lines);
        if count > FILE_LIMIT_LINES {
            let message = format!("{count} lines without tests; {FILE_LIMIT_LINES} are the limit");
            findings.push(finding(path, 1, "file length", message));
        }
        findings
    }
}

impl<'ast> Visit<'ast> for Lengths {
    fn visit_item(&mut self, item: &'ast Item) {
        match test_lines(item) {
            Some(lines) => self.test_lines += lines.count(),
            None => visit::visit_item(self, item),
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// The lines of an item that is there for tests only.
fn test_lines(item: &Item) -> Option<RangeInclusive<usize>> {
    let (attributes, end) = match item {
        Item::Mod(item) => {
            let (brace, _) = item.content.as_ref()?;
            (&item.attrs, brace.span.close())
        }
        Item::Fn(item) => (&item.attrs, item.block.brace_token.span.close()),
        Item::Impl(item) => (&item.attrs, item.brace_token.span.close()),
        Item::Use(item) => (&item.attrs, item.semi_token.span),
        Item::Const(item) => (&item.attrs, item.semi_token.span),
        _ => return None,
    };
    let start = attributes.iter().find(|attribute| is_cfg_test(attribute))?;
    Some(start.pound_token.span.start().line..=end.end().line)
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|condition| condition.is_ident("test"))
}

/// Looks at the file's tokens, so that what macros are given counts, and strings and comments do
/// not.
struct Words<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Words<'_> {
    fn walk(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            let next = tokens.get(index + 1);
            let line = token.span().start().line;
            match token {
                TokenTree::Group(group) => self.walk(group.stream()),
                TokenTree::Ident(ident) => self.word(&ident.to_string(), next, line),
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_ignore(next) => {
                    self.found(
                        line,
                        "stray word",
                        "`#[ignore]`: a test that nobody runs".to_owned(),
                    );
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    fn word(&mut self, word: &str, next: Option<&TokenTree>, line: usize) {
        if word == "unsafe" && !self.path.starts_with(UNSAFE_FOLDER) {
            self.found(
                line,
                "unsafe",
                format!("unsafe code belongs in {UNSAFE_FOLDER} alone"),
            );
        }
        let bang = matches!(next, Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
        if bang && STRAY_MACROS.contains(&word) {
            self.found(
                line,
                "stray word",
                format!("`{word}!` marks unfinished work"),
            );
        }
    }

    fn found(&mut self, line: usize, rule: &'static str, message: String) {
        self.findings.push(finding(self.path, line, rule, message));
    }
}

/// Whether an attribute's brackets, which follow the `#`, say `ignore`.
fn is_ignore(brackets: Option<&TokenTree>) -> bool {
    let first = |group: &Group| group.stream().into_iter().next();
    match brackets {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            matches!(first(group), Some(TokenTree::Ident(ident)) if ident == "ignore")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(path, text).iter().map(Finding::to_string).collect()
    }

    fn function(body_lines: usize) -> String {
        format!(
            "/// Says what it does.\nfn f() {{\n{}}}\n",
            "    g();\n".repeat(body_lines)
        )
    }

    #[test]
    fn a_function_of_71_lines_is_found() {
        assert_eq!(found("a.rs", &function(68)), [""; 0]);
        assert_eq!(
            found("a.rs", &function(69)),
            ["a.rs:2: function length: `f` has 71 lines; 70 are the limit"]
        );
    }

    #[test]
    fn methods_and_functions_in_modules_count() {
        let long = function(69);
        for around in ["impl X", "mod x", "trait X", "mod x { impl Y for X"] {
            let close = "}".repeat(around.matches('{').count() + 1);
            let text = format!("{around} {{\n{long}{close}\n");
            assert_eq!(found("a.rs", &text).len(), 1, "{around}");
        }
    }

    #[test]
    fn tests_may_be_long() {
        let long = function(700);
        let inside = format!("fn short() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(found("src/a.rs", &inside), [""; 0]);
        assert_eq!(found("tests/a.rs", &long), [""; 0]);
        assert_eq!(found("src/x/tests.rs", &long), [""; 0]);
        let not_a_test = inside.replace("cfg(test)", "cfg(unix)");
        assert_eq!(found("src/a.rs", &not_a_test).len(), 2);
    }

    #[test]
    fn a_file_of_601_lines_is_found() {
        let lines = |count| "// A line.\n".repeat(count);
        assert_eq!(found("a.rs", &lines(600)), [""; 0]);
        assert_eq!(
            found("a.rs", &lines(601)),
            ["a.rs:1: file length: 601 lines without tests; 600 are the limit"]
        );
        let with_tests = format!(
            "{}#[cfg(test)]\nmod tests {{\n{}}}\n",
            lines(590),
            lines(300)
        );
        assert_eq!(found("a.rs", &with_tests), [""; 0]);
    }

    #[test]
    fn unsafe_is_found_everywhere_but_in_sys() {
        let rule = "a.rs:1: unsafe: unsafe code belongs in crates/base/sys/ alone";
        for text in [
            "fn f() { unsafe { g() } }",
            "unsafe fn f() {}",
            "unsafe impl Send for X {}",
            "m! { unsafe { g() } }",
            "#[cfg(test)] mod tests { fn f() { unsafe { g() } } }",
        ] {
            assert_eq!(found("a.rs", text), [rule], "{text}");
            assert_eq!(found("crates/base/sys/src/lib.rs", text), [""; 0]);
        }
        let mentions = "#![forbid(unsafe_code)]\n// No unsafe here.\nconst A: &str = \"unsafe\";";
        assert_eq!(found("a.rs", mentions), [""; 0]);
    }

    #[test]
    fn stray_words_are_found() {
        for text in [
            "fn f() { todo!() }",
            "fn f() { dbg!(1); }",
            "fn f() { unimplemented!(\"x\") }",
        ] {
            let found = found("tests/a.rs", text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains("stray word"), "{found:?}");
        }
        let ignored = "#[test]\n#[ignore = \"slow\"]\nfn f() {}";
        assert_eq!(
            found("tests/a.rs", ignored),
            ["tests/a.rs:2: stray word: `#[ignore]`: a test that nobody runs"]
        );
        assert_eq!(found("a.rs", "// todo!()\nfn f() { todo(); }"), [""; 0]);
    }

    #[test]
    fn a_file_that_is_not_rust_is_found() {
        let found = found("a.rs", "fn f( {");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:1: syntax: "), "{found:?}");
    }
}
