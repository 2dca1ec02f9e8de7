//! What the rules know of one Rust file: plain data, taken from the syntax tree once.
//!
//! The tree itself is not kept, because its positions belong to one thread and tests run on many.
//! Lines count from 1. This file must never judge what it has found.

use std::ops::{Range, RangeInclusive};

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Meta, Signature, Visibility};

/// The facts of one file.
pub struct Source {
    /// The lines with every comment and every string blanked out.
    pub code: Vec<String>,
    /// The lines with everything but comments blanked out.
    pub comments: Vec<String>,
    pub functions: Vec<Function>,
    pub modules: Vec<Module>,
    /// Lines of public signatures that name `std::time::Instant`.
    pub foreign_instants: Vec<usize>,
    /// Lines of what is compiled for tests only.
    tests: Vec<RangeInclusive<usize>>,
}

/// A function with a body, or a method that a trait declares.
pub struct Function {
    pub name: String,
    /// From the signature to the closing brace, without attributes and documentation.
    pub lines: RangeInclusive<usize>,
    pub is_public: bool,
    pub is_declared_by_trait: bool,
    /// Whether it takes a `&mut World`, as the cases of the suite do.
    pub takes_a_world: bool,
}

/// A module that the file declares, here or in a file of its own.
pub struct Module {
    pub name: String,
    pub line: usize,
    /// The inline modules around the declaration, outermost first.
    pub inside: Vec<String>,
    /// Whether the body is in this file.
    pub is_inline: bool,
    /// Whether the declaration itself is compiled for tests only.
    pub is_for_tests: bool,
    /// The value of `#[path = ".."]`.
    pub path: Option<String>,
}

impl Source {
    /// Fails, and says where, when `text` is not Rust.
    pub fn parse(text: &str) -> syn::Result<Self> {
        let tokens: TokenStream = text.parse()?;
        let (code, comments) = separate(text, tokens.clone());
        let tree: syn::File = syn::parse2(tokens)?;
        let mut facts = Facts {
            source: Self {
                code,
                comments,
                functions: Vec::new(),
                modules: Vec::new(),
                foreign_instants: Vec::new(),
                tests: Vec::new(),
            },
            inside: Vec::new(),
            imports_instant: false,
        };
        facts.visit_file(&tree);
        Ok(facts.source)
    }

    /// Numbered lines of code outside what is compiled for tests only.
    pub fn program_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code_lines()
            .filter(|(line, _)| !self.tests.iter().any(|test| test.contains(line)))
    }

    /// Numbered lines of code.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .iter()
            .enumerate()
            .map(|(index, line)| (index + 1, line.as_str()))
    }

    /// The comment on `line`, and the one on the line above if that line holds nothing else.
    pub fn remark(&self, line: usize) -> String {
        let above = self.comment_block_above(line, 1);
        format!("{above}{}", self.comments[line - 1].trim())
    }

    /// The comments, of at most `limit` lines, that stand directly above `line`. Attributes do not
    /// end them.
    pub fn comment_block_above(&self, line: usize, limit: usize) -> String {
        let above = (1..line).rev().take_while(|line| {
            let code = self.code[line - 1].trim();
            let is_attribute = code.starts_with('#') && code.ends_with(']');
            let is_comment = code.is_empty() && !self.comments[line - 1].trim().is_empty();
            is_comment || is_attribute
        });
        above
            .take(limit)
            .map(|line| self.comments[line - 1].trim())
            .collect()
    }
}

/// Whether `line` holds `needle`, as a whole word at each end where it is one.
pub fn holds(line: &str, needle: &str) -> bool {
    let is_word = |side: Option<char>| side.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(needle).any(|(start, _)| {
        let end = start + needle.len();
        let cuts_before =
            is_word(needle.chars().next()) && is_word(line[..start].chars().next_back());
        let cuts_after = is_word(needle.chars().next_back()) && is_word(line[end..].chars().next());
        !cuts_before && !cuts_after
    })
}

/// A file's text taken apart: what is code, and what is comment.
struct Canvas<'text> {
    text: &'text str,
    code: Vec<u8>,
    comments: Vec<u8>,
}

/// The lines of code and the lines of comments, each with spaces in place of the other.
fn separate(text: &str, tokens: TokenStream) -> (Vec<String>, Vec<String>) {
    let blank = text
        .bytes()
        .map(|byte| if byte == b'\n' { byte } else { b' ' });
    let mut canvas = Canvas {
        text,
        code: blank.collect(),
        comments: text.as_bytes().to_vec(),
    };
    canvas.draw(tokens);
    // Tokens begin and end between characters, so both halves are still UTF-8.
    let lines = |bytes: Vec<u8>| {
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    (lines(canvas.code), lines(canvas.comments))
}

impl Canvas<'_> {
    fn draw(&mut self, tokens: TokenStream) {
        for token in tokens {
            let place = token.span().byte_range();
            // Documentation arrives as the tokens of an attribute, at the place of the comment.
            if self.text[place.clone()].starts_with("//")
                || self.text[place.clone()].starts_with("/*")
            {
                continue;
            }
            match token {
                TokenTree::Group(group) => {
                    self.token(group.span_open().byte_range(), true);
                    self.token(group.span_close().byte_range(), true);
                    self.draw(group.stream());
                }
                TokenTree::Literal(literal) => {
                    let is_number = literal
                        .to_string()
                        .starts_with(|c: char| c.is_ascii_digit());
                    self.token(place, is_number);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => self.token(place, true),
            }
        }
    }

    fn token(&mut self, place: Range<usize>, is_code: bool) {
        for at in place {
            if is_code {
                self.code[at] = self.text.as_bytes()[at];
            }
            if self.comments[at] != b'\n' {
                self.comments[at] = b' ';
            }
        }
    }
}

/// Walks the tree and fills in the facts.
struct Facts {
    source: Source,
    /// The inline modules around the place being visited.
    inside: Vec<String>,
    imports_instant: bool,
}

impl Facts {
    fn note_tests(&mut self, attributes: &[Attribute], item: Span) {
        if attributes.iter().any(is_for_tests) {
            self.source.tests.push(item.start().line..=item.end().line);
        }
    }

    fn note_function(
        &mut self,
        signature: &Signature,
        item: Span,
        is_public: bool,
        in_trait: bool,
    ) {
        if is_public {
            self.note_instants(|names| names.visit_signature(signature));
        }
        self.source.functions.push(Function {
            name: signature.ident.to_string(),
            lines: signature.fn_token.span.start().line..=item.end().line,
            is_public,
            is_declared_by_trait: in_trait,
            takes_a_world: signature.inputs.first().is_some_and(is_a_world),
        });
    }

    fn note_instants(&mut self, look: impl FnOnce(&mut InstantNames)) {
        let mut names = InstantNames {
            is_imported: self.imports_instant,
            lines: Vec::new(),
        };
        look(&mut names);
        self.source.foreign_instants.append(&mut names.lines);
    }

    /// Declarations inside a macro's braces have no tree; `mod name;` is recognisable all the same.
    fn note_modules_of_macro(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, token) in tokens.iter().enumerate() {
            match (token, &tokens[index + 1..]) {
                (TokenTree::Group(group), _) => self.note_modules_of_macro(group.stream()),
                (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Punct(end), ..])
                    if word == "mod" && end.as_char() == ';' =>
                {
                    self.source.modules.push(Module {
                        name: name.to_string(),
                        line: word.span().start().line,
                        inside: self.inside.clone(),
                        is_inline: false,
                        is_for_tests: false,
                        path: None,
                    });
                }
                _ => {}
            }
        }
    }
}

impl<'tree> Visit<'tree> for Facts {
    fn visit_item_mod(&mut self, item: &'tree syn::ItemMod) {
        self.note_tests(&item.attrs, item.span());
        self.source.modules.push(Module {
            name: item.ident.to_string(),
            line: item.mod_token.span.start().line,
            inside: self.inside.clone(),
            is_inline: item.content.is_some(),
            is_for_tests: item.attrs.iter().any(is_for_tests),
            path: item.attrs.iter().find_map(path_attribute),
        });
        self.inside.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.inside.pop();
    }

    fn visit_item_fn(&mut self, item: &'tree syn::ItemFn) {
        self.note_tests(&item.attrs, item.span());
        self.note_function(&item.sig, item.span(), is_public(&item.vis), false);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'tree syn::ImplItemFn) {
        self.note_tests(&item.attrs, item.span());
        self.note_function(&item.sig, item.span(), is_public(&item.vis), false);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_trait(&mut self, item: &'tree syn::ItemTrait) {
        for member in &item.items {
            if let syn::TraitItem::Fn(method) = member {
                self.note_function(&method.sig, method.span(), is_public(&item.vis), true);
            }
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_item_impl(&mut self, item: &'tree syn::ItemImpl) {
        self.note_tests(&item.attrs, item.span());
        visit::visit_item_impl(self, item);
    }

    fn visit_item_use(&mut self, item: &'tree syn::ItemUse) {
        self.note_tests(&item.attrs, item.span());
        let lines = &self.source.code[item.span().start().line - 1..item.span().end().line];
        let text = lines.concat();
        self.imports_instant |=
            holds(&text, "std") && holds(&text, "time") && holds(&text, "Instant");
    }

    fn visit_field(&mut self, field: &'tree syn::Field) {
        if is_public(&field.vis) {
            self.note_instants(|names| names.visit_field(field));
        }
    }

    fn visit_item_enum(&mut self, item: &'tree syn::ItemEnum) {
        if is_public(&item.vis) {
            self.note_instants(|names| names.visit_item_enum(item));
        }
    }

    fn visit_item_type(&mut self, item: &'tree syn::ItemType) {
        if is_public(&item.vis) {
            self.note_instants(|names| names.visit_item_type(item));
        }
    }

    fn visit_macro(&mut self, call: &'tree syn::Macro) {
        self.note_modules_of_macro(call.tokens.clone());
    }
}

/// Collects the lines that name the standard library's `Instant`.
struct InstantNames {
    /// Whether a bare `Instant` is that one; a path through `time` always is.
    is_imported: bool,
    lines: Vec<usize>,
}

impl<'tree> Visit<'tree> for InstantNames {
    fn visit_path(&mut self, path: &'tree syn::Path) {
        let names: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        let is_foreign = match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["Instant"] => self.is_imported,
            [.., "time", "Instant"] => true,
            _ => false,
        };
        if is_foreign {
            self.lines.push(path.span().start().line);
        }
        visit::visit_path(self, path);
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_a_world(argument: &syn::FnArg) -> bool {
    let syn::FnArg::Typed(argument) = argument else {
        return false;
    };
    let syn::Type::Reference(reference) = &*argument.ty else {
        return false;
    };
    let syn::Type::Path(path) = &*reference.elem else {
        return false;
    };
    reference.mutability.is_some()
        && path
            .path
            .segments
            .last()
            .is_some_and(|part| part.ident == "World")
}

/// `#[test]` and `#[cfg(test)]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    let is_cfg_test = || {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    };
    attribute.path().is_ident("test") || is_cfg_test()
}

fn path_attribute(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    let syn::Expr::Lit(value) = &pair.value else {
        return None;
    };
    let syn::Lit::Str(path) = &value.lit else {
        return None;
    };
    pair.path.is_ident("path").then(|| path.value())
}

#[test]
fn code_and_comments_are_told_apart() {
    let source = Source::parse("/// doc\nfn f() { g(\"// é\", 7); } // why\n").expect("it is Rust");
    assert_eq!(source.code[0].trim(), "");
    assert_eq!(source.comments[0], "/// doc");
    assert_eq!(
        source.code[1].split_whitespace().collect::<String>(),
        "fnf(){g(,7);}"
    );
    assert_eq!(source.comments[1].trim(), "// why");
}

#[test]
fn lines_for_tests_are_not_program_lines() {
    let source = Source::parse("fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() {}\n}\nfn h() {}\n");
    let source = source.expect("it is Rust");
    assert_eq!(
        source
            .program_lines()
            .map(|(line, _)| line)
            .collect::<Vec<_>>(),
        [1, 6]
    );
}

#[test]
fn words_are_whole() {
    assert!(holds("a Rc<T>", "Rc"));
    assert!(!holds("Arc<T>", "Rc"));
    assert!(holds("x.unwrap()", ".unwrap()"));
    assert!(!holds("f(todos)", "todo"));
}
