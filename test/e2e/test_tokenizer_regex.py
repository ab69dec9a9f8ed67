"""Compares lq's regular expressions with those of the `tokenizers` library.

Patterns in tokenizer.json are in Oniguruma's syntax, which lq translates for
PCRE2. Each pattern cuts texts on both sides; a mark before each piece shows
where. Character classes are compared on every assigned code point. Usage:
test_tokenizer_regex.py, with lq-tokenize-test on the PATH.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

MARK = "▁"

TEXTS = [
    "aßss SS ǆ İi ſK kK 's 'S 'T",
    "a1²b_c-d e\u0301f\u0308 x\u200dy z\u200cw Ⅷ½ ١٢ 𝟙 ñ Ñ",
    "line one\nline two\r\n\n\tthree \n",
    "aaaa aaa aa a ab abab abc cba xaby",
    "[a] (b) {c} <d> a{x a{1 ]a [] ^$ . * + ? | \\ / # - & && ~ ' \" `",
    "\x00\x01\x07\x0b\x0c\x1b\x1c\x7f\x80\x85\xa0\u1680\u180e\u2000\u200b\u2028\u2029\u202f\u3000\ufeff",
    "日本語カタカナひらがな한국어 中文。，、！ αβγ абв ابج 😀👍🏽👨‍👩‍👧 ❤️ 🇩🇪",
    "Hello, world! It's 12345 o'clock... don't CAN'T ''s",
    "QaE Z \\Q \\E p{L} {2} {,3} a{ {a}",
    "the cat; the dog; (x|y)? [.,!?…] 0x1F C++ a.b.c 3.14",
]

PATTERNS = r"""
a|b|ab
(a|b)+c?
(?:ab){2}
a{2}
a{2}?
a{2}+
a{1,2}
a{1,2}?
a{1,2}+
a{2,}
a{,2}
a++b
a*+
a?+b
a**
(?:a+)+?
a{x
{
{a}
a{
^a
^
$
a$
\Aa
\n\z
\n\Z
.
.+
(?m).+
(?m:a.)b|.
\N+
\O+
(?i)st|k
(?i:'s|'t|k)
(?i:[a-k])
a(?i)b|c
(?:a(?i)b|c)|d
(?i-m:A)B
(?-i)a
(?x) a b  # comment
(?x: a\ b | [ c] )
(?#comment)a
(?<name>a)b
(?<name>a)\k<name>
(a)\1
(?=b)
a(?=b)
a(?!b)
(?<=a)b
(?<!a)b
(?<=ab|c)a
(?>a+)b
\d
\D
\s
\S
\w
\W
\h
\H
\R
\bt
\Bh
\b
[\w]
[^\w]
[\W]
[^\W]
[\s\d]
[^\s\d]
[\S]
[\D]
[\H]
[\h]
[a-c]
[^a-c]
[a-c[x-z]]
[a-z&&[^aeiou]]
[^a-z&&[^aeiou]]
[a-z&&\w&&[^b]]
[a[^b]]
[^a[^b]]
[[a-c]&&[b-d]]
[]a]
[^]a]
[\]]
[\[a]
[a\-z]
[a-]
[-a]
[a\n\t\\]
[.*+?]
[^(\s|[.,!?…。，、।۔،])]+
[[:alpha:]]
[[:^alpha:]]
[^[:alpha:]]
[[:alnum:]_]
[[:punct:]]
[[:space:]]
[[:upper:][:digit:]]
[[:word:]]
[\p{L}\p{N}]
[^\p{L}\p{N}]
[\P{L}]
[^\P{L}]
[\p{^L}a]
\p{^L}
\P{^L}
\p{L}
\p{Lu}\p{Ll}
\p{lu}
\p{Letter}
\p{Lowercase_Letter}
\p{Any}
\p{Han}
\p{Hiragana}+|\p{Katakana}+
\p{Alpha}
\p{Alnum}
\p{Punct}
\p{Space}
\p{Word}
\p{Upper}
\p{XDigit}
\p{ASCII}
\p{^ASCII}
\p{Emoji}
\p{Extended_Pictographic}
\p{Cyrillic}
\p{Arabic}
[一-龥぀-ゟ゠-ヿ]+
[\u4e00-\u9fff\u3040-\u30ff]
\u0041|\u0061
\x41|\x61
\x{1F600}
\x{e9}
\t|\n|\r|\f|\v|\a|\e
\0|\01|\033
\/
\-
\_
\'
\"
\é
\Qa\E
\ 
x*
x*?
(a*)(b*)
|a
(?:)
''?s
[0-9][0-9][0-9]
 ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+
[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\s*[\r\n]+|\s+(?!\S)|\s+
[^\s\p{L}\p{M}\p{N}]*[\p{L}\p{M}]+|\d(?=(?:\d{3})*\b)|(?<!\n)\s+
"""

CLASSES = r"""
\p{L} \p{Lu} \p{Ll} \p{Lt} \p{Lm} \p{Lo} \p{M} \p{Me} \p{N} \p{Nd} \p{Nl} \p{No}
\p{P} \p{Pc} \p{Pd} \p{Ps} \p{Pe} \p{Pi} \p{Pf} \p{Po} \p{S} \p{Sm} \p{Sc} \p{Sk} \p{So}
\p{Z} \p{Zs} \p{Zl} \p{Zp} \p{C} \p{Cc} \p{Cf} \p{Co}
\s \S \d \D \w \W \h [\w] [\s] [^\w\s] [[:punct:]] [[:space:]] [[:cntrl:]] [[:blank:]] [[:digit:]] [[:xdigit:]]
\p{Punct} \p{Space} \p{Blank} \p{Han} \p{Hiragana} \p{Greek} \p{Hebrew} . (?i:s) (?i:k) \R
""".split()


def cutting_tokenizer(pattern):
    """Cuts at the pattern, puts a mark before each piece, spells it in bytes."""
    vocabulary = {MARK: 0}
    for byte in range(256):
        vocabulary["<0x%02X>" % byte] = byte + 1
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.Metaspace(MARK, "always", split=False),
        ]
    )
    return tokenizer


def answers(tokenizer, texts):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tokenizer.json"
        path.write_text(tokenizer.to_str(), encoding="utf-8")
        result = subprocess.run(
            ["lq-tokenize-test", str(path), str(path) + ".gguf"],
            input="".join(json.dumps({"text": text}) + "\n" for text in texts),
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if result.returncode != 0:
        return result.stderr.strip()
    return [json.loads(line).get("ids") for line in result.stdout.splitlines()]


def pieces(ids):
    """Readable: the pieces that the marks separate."""
    parts = []
    for token in ids or []:
        if token == 0:
            parts.append(b"")
        elif parts:
            parts[-1] += bytes([token - 1])
    return [part.decode("utf-8", "replace") for part in parts]


def check(pattern, texts):
    tokenizer = cutting_tokenizer(pattern)
    got = answers(tokenizer, texts)
    if isinstance(got, str):
        print(f"{pattern}: {got}")
        return False
    for text, ids in zip(texts, got):
        expected = tokenizer.encode(text).ids
        if ids == expected:
            continue
        want, have = pieces(expected), pieces(ids)
        same = next((i for i, pair in enumerate(zip(want, have)) if pair[0] != pair[1]), 0)
        print(f"{pattern} on {text[:60]!r}:")
        print("  expected", want[max(0, same - 1) : same + 6])
        print("  got     ", have[max(0, same - 1) : same + 6])
        return False
    return True


def main():
    # What is assigned depends on the Unicode version of each library.
    assigned = "".join(
        c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Cs", "Co")
    )
    patterns = PATTERNS.strip("\n").split("\n")
    failed = [p for p in patterns if not check(p, TEXTS)]
    failed += [p for p in CLASSES if not check(p, [assigned])]
    if failed:
        sys.exit(f"{len(failed)} patterns differ")
    print(f"{len(patterns)} patterns and {len(CLASSES)} character classes agree")


if __name__ == "__main__":
    main()
