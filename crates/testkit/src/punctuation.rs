//! Whether what is said in a language has that language's punctuation: a Chinese sentence does not end in a full stop of Latin script.

/// Marks of Latin script that have wide forms in Chinese.
const NARROW: [char; 8] = ['.', ',', ';', ':', '!', '?', '(', ')'];
/// Those wide forms, and marks that Chinese alone has.
const WIDE: [char; 9] = ['。', '，', '；', '：', '！', '？', '（', '）', '、'];
/// Elements that stand within a line.
const INLINE: [&str; 9] = ["a", "b", "i", "em", "strong", "span", "code", "small", "time"];
/// Elements that have no end.
const VOID: [&str; 6] = ["br", "hr", "img", "input", "link", "meta"];
/// Attributes that people read or hear.
const READ: [&str; 5] = ["aria-label", "alt", "title", "content", "placeholder"];

/// What is wrong with a piece of text: each mark with what stands around it.
pub fn wrong(language: &str, text: &str) -> Vec<String> {
    let text: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let around = |at: usize| {
        let shown = text.get(at.saturating_sub(12)..text.len().min(at + 12)).unwrap_or_default();
        format!("{language}: …{}…", shown.iter().collect::<String>())
    };
    let is_wrong = |at: usize| {
        if language == "zh" { is_wrong_in_chinese(&text, at) } else { is_wrong_in_alphabets(language, &text, at) }
    };
    (0..text.len()).filter(|at| is_wrong(*at)).map(around).collect()
}

fn is_chinese(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{9fff}')
}

/// The next letter before or after a place that is no space.
fn beside(text: &[char], at: usize, before: bool) -> Option<char> {
    let no_space = |letter: &&char| !letter.is_whitespace();
    if before {
        text.get(..at)?.iter().rev().find(no_space).copied()
    } else {
        text.get(at + 1..)?.iter().find(no_space).copied()
    }
}

fn is_wrong_in_chinese(text: &[char], at: usize) -> bool {
    let letter = text[at];
    if !text.iter().copied().any(is_chinese) {
        return false;
    }
    let (before, after) = (beside(text, at, true), beside(text, at, false));
    // Brackets around what is of Latin script are of Latin script, whatever mark comes then.
    let is_bracket = matches!(letter, '(' | ')');
    let of_chinese = |letter: char| is_chinese(letter) || (!is_bracket && WIDE.contains(&letter));
    let by_chinese = [before, after].into_iter().flatten().any(of_chinese);
    if letter == ' ' {
        let touches = [at.checked_sub(1).map(|at| text[at]), text.get(at + 1).copied()];
        return touches.into_iter().flatten().any(|letter| WIDE.contains(&letter));
    }
    let ends = after.is_none() && !is_bracket;
    (NARROW.contains(&letter) && (by_chinese || ends)) || letter == '"' || twice(text, at)
}

fn is_wrong_in_alphabets(language: &str, text: &[char], at: usize) -> bool {
    let letter = text[at];
    let is_last = || text.get(at + 1).is_none_or(|next| *next == ' ');
    match letter {
        letter if WIDE.contains(&letter) => true,
        // Both have quotation marks and a dash of their own.
        '"' => language != "en",
        '-' => at > 0 && text[at - 1] == ' ' && is_last(),
        '.' | ',' | ';' | ':' | '!' | '?' => (at > 0 && text[at - 1] == ' ' && is_last()) || twice(text, at),
        _ => false,
    }
}

/// Whether a mark stands directly behind one with which it cannot stand together. An abbreviation's full stop may have another mark behind it.
fn twice(text: &[char], at: usize) -> bool {
    const MARKS: [char; 12] = ['.', ',', ';', ':', '!', '?', '。', '，', '；', '：', '！', '？'];
    let Some(before) = at.checked_sub(1).map(|at| text[at]).filter(|before| MARKS.contains(before)) else {
        return false;
    };
    MARKS.contains(&text[at]) && (before == text[at] || !matches!(before, '.' | '!' | '?'))
}

/// What is wrong in a page, or in a feed. What people gave (`given`) is left out, as is what is marked as being in another language.
pub fn wrong_in_page(language: &str, page: &str, given: &[&str]) -> Vec<String> {
    let mut page = page.to_owned();
    for text in given {
        page = page.replace(text, "X");
    }
    pieces(language, &page).iter().flat_map(|piece| wrong(language, piece)).collect()
}

/// The pieces of text of a page, each of which stands for itself.
fn pieces(language: &str, page: &str) -> Vec<String> {
    let (mut pieces, mut piece, mut rest) = (Vec::new(), String::new(), page);
    // Elements that are open, each with whether what is in it is not looked at.
    let mut open: Vec<(String, bool)> = Vec::new();
    while let Some((before, tail)) = rest.split_once('<') {
        let hidden = open.last().is_some_and(|(_, hidden)| *hidden);
        if !hidden {
            piece.push_str(before);
        }
        let Some((tag, after)) = tail.split_once('>') else { break };
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default().to_owned();
        if !INLINE.contains(&name.as_str()) {
            pieces.push(std::mem::take(&mut piece));
        }
        if tag.starts_with('/') {
            while open.pop().is_some_and(|(closed, _)| closed != name) {}
            continue;
        }
        let other = attribute(tag, "lang").is_some_and(|other| other != language) && name != "html";
        let hidden = hidden || other || matches!(name.as_str(), "style" | "pre" | "svg");
        if !hidden {
            pieces.extend(READ.iter().filter_map(|read| attribute(tag, read)).map(str::to_owned));
        }
        if !VOID.contains(&name.as_str()) && !tag.ends_with('/') && !tag.starts_with(['!', '?']) {
            open.push((name, hidden));
        }
    }
    pieces.push(piece);
    let pieces = pieces.into_iter().map(|piece| plain(&piece)).filter(|piece| !piece.trim().is_empty());
    pieces.collect()
}

fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    value.split('"').next()
}

fn plain(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_another_script_are_found() {
        for (language, text) in [
            ("zh", "存放在区域 eu (EU)."),
            ("zh", "区域: eu"),
            ("zh", "Ada: 查看了"),
            ("zh", "来源： contract"),
            ("zh", "没有。."),
            ("zh", "如有(x) eu"),
            ("en", "It is over 。"),
            ("en", "It is over ."),
            ("en", "It is over.."),
            ("de", "Er sagt \"nein"),
            ("ru", "Это - регион"),
            ("ru", "Регион，eu"),
        ] {
            assert_eq!(wrong(language, text).len(), 1, "{language}: {text}: {:?}", wrong(language, text));
        }
        for (language, text) in [
            ("zh", "存放在区域 eu (EU)。"),
            ("zh", "最早开始于 2026-05-28 20:26 UTC。"),
            ("zh", "用户 @a:example.org，7 天"),
            ("zh", "He said: no. (Yes.)"),
            ("en", "Who (if anybody) knows? At 10:30, etc.; e.g. \"this\""),
            ("de", "Ein Schlüssel, etwa KEY.txt: „so“ – oder …"),
            ("ru", "Кто-то: «да» – из 3.5"),
        ] {
            assert_eq!(wrong(language, text), Vec::<String>::new(), "{language}: {text}");
        }
    }

    #[test]
    fn a_page_is_read_as_people_read_it() {
        let page = "<!DOCTYPE html><html lang=\"zh\"><style>a:b,c</style><p>区域 <b>eu</b>.</p><p lang=\"en\">A 中. b</p><input placeholder=\"名称:\"><nav aria-label=\"语言\">\
                    <li>中文 e. V.</li></nav></html>";
        let found = wrong_in_page("zh", page, &["e. V."]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("eu.") && found[1].contains("名称:"), "{found:?}");
    }
}
