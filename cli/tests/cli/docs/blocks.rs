//! Fenced blocks of a page of Markdown.

/// Why a block of `sh` is not run: what it needs.
const NEEDS: [&str; 6] = ["service", "network", "data", "server", "gpu", "install"];

/// What a block is, by the words after its fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `console`: commands after `$ `, and what they print; `loose`: numbers may differ a little.
    Transcript {
        loose: bool,
    },
    /// `sh`: commands that must succeed.
    Script,
    /// `sh NEED`: commands that are not run.
    Shown,
    Json,
    Rust,
    /// Anything else: not checked here.
    Other,
}

impl Kind {
    pub fn is_run(self) -> bool {
        matches!(self, Kind::Transcript { .. } | Kind::Script)
    }

    fn of(info: &str) -> Result<Self, String> {
        let words: Vec<&str> = info.split_whitespace().collect();
        Ok(match words[..] {
            ["console"] => Kind::Transcript { loose: false },
            ["console", "scores"] => Kind::Transcript { loose: true },
            ["sh"] => Kind::Script,
            ["sh", need] if NEEDS.contains(&need) => Kind::Shown,
            ["json"] => Kind::Json,
            ["rust"] => Kind::Rust,
            ["console" | "sh" | "json" | "rust", ..] => {
                return Err(format!("a block of the unknown kind '{info}'; sh knows {NEEDS:?}"));
            }
            _ => Kind::Other,
        })
    }
}

#[derive(Debug)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    pub kind: Kind,
    pub lines: Vec<String>,
}

/// The blocks of a page, in order.
pub fn of(text: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Block)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let kind = Kind::of(info).map_err(|error| format!("line {number}: {error}"))?;
                open = Some((indent, Block { line: number, kind, lines: Vec::new() }));
            }
            (Some(_), Some("")) => blocks.extend(open.take().map(|(_, block)| block)),
            (Some((outer, block)), _) => block.lines.push(line[indent.min(*outer)..].to_owned()),
            (None, None) => {}
        }
    }
    match open {
        Some((_, block)) => Err(format!("line {}: the block has no end", block.line)),
        None => Ok(blocks),
    }
}

/// The page without its blocks: line numbers and lines.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.collect()
}
