"""Compares lq's tokenizer with the `tokenizers` library, id for id.

No model is fetched: small tokenizers are trained here, one for each way that
well-known models set up theirs, and both sides encode and decode the sample
text, its lines, and random strings. Usage: test_tokenizer.py [name ...], with
lq-tokenize-test on the PATH.
"""

import functools
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SAMPLE = (pathlib.Path(__file__).parent / "data" / "multilingual.txt").read_bytes()
SAMPLE = SAMPLE.decode("utf-8")
BYTES = ["<0x%02X>" % byte for byte in range(256)]

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)


def special(content, **options):
    return AddedToken(content, special=True, normalized=False, **options)


def train(tokenizer, trainer, text=SAMPLE):
    tokenizer.train_from_iterator(text.splitlines(keepends=True), trainer)
    return tokenizer


def bpe(tokenizer, specials=(), size=1200, byte_level=True, **options):
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    return train(
        tokenizer,
        trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=list(specials),
            initial_alphabet=alphabet,
            show_progress=False,
            **options,
        ),
    )


def edited(tokenizer, edit):
    """The tokenizer after `edit` has changed its JSON."""
    data = json.loads(tokenizer.to_str())
    edit(data)
    return Tokenizer.from_str(json.dumps(data))


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(pre_tokenizer, **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def gpt2():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    bpe(tokenizer, [special("<|endoftext|>")])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def roberta():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    bpe(tokenizer, ["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def with_pattern(pattern):
    steps = [split(pattern), pre_tokenizers.ByteLevel(False, use_regex=False)]
    return byte_level(pre_tokenizers.Sequence(steps))


def llama3():
    tokenizer = with_pattern(LLAMA3)
    bpe(tokenizer)
    tokenizer.add_special_tokens([special("<|begin_of_text|>"), special("<|im_start|>")])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=True),
            processors.TemplateProcessing(
                single="<|begin_of_text|> $A",
                pair="<|begin_of_text|> $A <|begin_of_text|>:1 $B:1",
                special_tokens=[
                    ("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))
                ],
            ),
        ]
    )

    def ignore_merges(data):
        data["model"]["ignore_merges"] = True
        # A token that no merges lead to is found all the same.
        data["model"]["vocab"]["Ġlazyness"] = len(data["model"]["vocab"])
        for token in data["added_tokens"]:
            token["id"] += 1
        special_tokens = data["post_processor"]["processors"][1]["special_tokens"]
        special_tokens["<|begin_of_text|>"]["ids"][0] += 1

    return edited(tokenizer, ignore_merges)


def qwen2():
    tokenizer = with_pattern(QWEN2)
    tokenizer.normalizer = normalizers.NFC()
    bpe(tokenizer)
    tokenizer.add_special_tokens(
        [special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")]
    )
    return tokenizer


def smollm2():
    steps = [
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
    ]
    tokenizer = byte_level(pre_tokenizers.Sequence(steps))
    return bpe(tokenizer, [special("<|endoftext|>"), special("<|im_start|>"), special("<|im_end|>")])


def deepseek():
    steps = [
        split(r"\p{N}{1,3}"),
        split(r"[一-龥぀-ゟ゠-ヿ]+"),
        split(DEEPSEEK),
        pre_tokenizers.ByteLevel(False, use_regex=False),
    ]
    return bpe(byte_level(pre_tokenizers.Sequence(steps)))


def falcon():
    steps = [
        pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.ByteLevel(False),
        pre_tokenizers.Digits(False),
        split("[0-9][0-9][0-9]"),
    ]
    return bpe(byte_level(pre_tokenizers.Sequence(steps)))


def llama2():
    """Converted from SentencePiece: the whole text is one word."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    bpe(tokenizer, ["<unk>", "<s>", "</s>"] + BYTES, byte_level=False, size=1400)
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )

    def fallback(data):
        data["model"]["byte_fallback"] = True
        data["added_tokens"] = [t for t in data["added_tokens"] if t["id"] < 3]
        thin_out(data)

    return edited(tokenizer, fallback)


def thin_out(data):
    """Takes characters out of the vocabulary, so that some are unknown."""
    vocabulary = data["model"]["vocab"]
    gone = set("éжע你な👍�가ไ")
    data["model"]["merges"] = [m for m in data["model"]["merges"] if not gone & set("".join(m))]
    kept = [token for token in vocabulary if not gone & set(token)]
    data["model"]["vocab"] = {token: index for index, token in enumerate(kept)}


def mistral():
    """The newer conversion: Metaspace instead of normalizers."""
    tokenizer = llama2()
    tokenizer.normalizer = None
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", False)
    return tokenizer


def gemma():
    tokenizer = llama2()
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_tokens([AddedToken("\n\n", normalized=False), AddedToken("▁▁", normalized=False)])
    return tokenizer


def partial_bytes():
    """Byte tokens for some bytes only, and unknown tokens that do not fuse."""

    def edit(data):
        data["model"]["fuse_unk"] = False
        drop_byte_tokens(data, range(0xD0, 0xE4))

    return edited(llama2(), edit)


def drop_byte_tokens(data, which):
    vocabulary = data["model"]["vocab"]
    gone = {BYTES[byte] for byte in which}
    kept = [token for token in vocabulary if token not in gone]
    data["model"]["vocab"] = {token: index for index, token in enumerate(kept)}


def partial_bytes_fused():
    return edited(llama2(), lambda data: drop_byte_tokens(data, range(0xD0, 0xE4)))


def no_unknown():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    bpe(tokenizer, byte_level=False, size=900, limit_alphabet=200)
    return tokenizer


def clip():
    """Original BPE: a suffix at the end of words, a lower-cased text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = split(
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
        "removed",
        invert=True,
    )
    tokenizer.decoder = decoders.BPEDecoder("</w>")
    return bpe(tokenizer, ["<unk>"], byte_level=False, size=1500, end_of_word_suffix="</w>")


def prefixed_bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece("##", cleanup=False)
    return bpe(tokenizer, ["[UNK]"], byte_level=False, continuing_subword_prefix="##", limit_alphabet=300)


def bert(lowercase=True, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, **options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    train(
        tokenizer,
        trainers.WordPieceTrainer(
            vocab_size=1200, special_tokens=specials, show_progress=False, limit_alphabet=350
        ),
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def bert_cased():
    return bert(lowercase=False, strip_accents=False)


def unigram(tokenizer, specials=("<pad>", "</s>", "<unk>"), size=900):
    return train(
        tokenizer,
        trainers.UnigramTrainer(
            vocab_size=size, special_tokens=list(specials), unk_token="<unk>", show_progress=False
        ),
    )


def t5():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = charsmap()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    unigram(tokenizer)
    tokenizer.add_special_tokens(
        [AddedToken("<extra_id_%d>" % i, special=True, lstrip=True, rstrip=True) for i in range(9)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return tokenizer


def albert():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            charsmap(),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    return unigram(tokenizer)


def unigram_bytes():
    """Unigram with byte fallback; the characters of part of the text only."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    text = "\n".join(SAMPLE.splitlines()[:20])
    train(
        tokenizer,
        trainers.UnigramTrainer(
            vocab_size=500, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        ),
        text,
    )

    def edit(data):
        data["model"]["vocab"] += [[byte, -100.0 - index] for index, byte in enumerate(BYTES)]
        data["model"]["byte_fallback"] = True

    return edited(tokenizer, edit)


@functools.lru_cache
def charsmap():
    """Rules like SentencePiece's "nmt_nfkc", in its binary form."""
    rules = {"\u200b": " ", "\ufeff": " ", "\x07": "", "\r\n": " ", "ﬁ": "fi"}
    for character in map(chr, range(1, 0x10000)):
        if unicodedata.category(character) in ("Cn", "Cs"):
            continue
        normal = unicodedata.normalize("NFKC", character)
        if normal != character:
            rules[character] = normal
        apart = unicodedata.normalize("NFD", character)
        if len(apart) == 2 and unicodedata.normalize("NFC", apart) == character:
            rules[apart] = character
    return normalizers.Precompiled(precompiled_charsmap(rules))


def precompiled_charsmap(rules):
    """Size of a double-array trie (u32), its units, zero-terminated texts."""
    pool = b""
    values = {}
    for key, text in rules.items():
        values[key.encode()] = len(pool)
        pool += text.encode() + b"\0"
    units = double_array(values)
    return struct.pack("<%dI" % (len(units) + 1), 4 * len(units), *units) + pool


def double_array(values):
    """Units as of darts-clone: label, leaf flag (bit 8), offset (from bit 10)
    to the children, which stand at (node ^ offset ^ label); values have bit 31."""
    units = {0: 0}
    bases = set()
    start = 1
    work = [(0, 0, sorted(values))]
    while work:
        node, depth, keys = work.pop()
        children = {}
        for key in keys:
            label = key[depth] if depth < len(key) else 0
            children.setdefault(label, []).append(key)
        base = start
        while base in bases or any(base ^ label in units for label in children):
            base += 1
        bases.add(base)
        while start in units:
            start += 1
        units[node] |= (node ^ base) << 10 | (0x100 if 0 in children else 0)
        assert node ^ base < 1 << 21
        for label, below in children.items():
            units[base ^ label] = label if label else 1 << 31 | values[below[0]]
            if label:
                work.append((base ^ label, depth + 1, below))
    return [units.get(index, 0x80000000) for index in range(max(units) + 1)]


def added_tokens():
    """Every option of added tokens, with a normalizer that changes them."""
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    bpe(tokenizer)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.add_tokens(
        [
            AddedToken("Fox", normalized=True),
            AddedToken("lazy", normalized=False, lstrip=True),
            AddedToken("the", single_word=True, normalized=True),
            AddedToken("o", single_word=True, normalized=False),
            AddedToken("CAN'T", normalized=True, rstrip=True),
            AddedToken("can", normalized=True),
            AddedToken("  ", normalized=False, rstrip=True),
            AddedToken("é", normalized=False, lstrip=True, rstrip=True),
            AddedToken("中文", normalized=False),
            AddedToken("aaa", normalized=False),
            AddedToken("aaaa", normalized=True),
        ]
    )
    tokenizer.add_special_tokens(
        [special("<|im_start|>", rstrip=True), AddedToken("<S>", special=True, normalized=True)]
    )
    return tokenizer


def normalized_words(normalizer, pre_tokenizer):
    """A word-piece model over characters, to see what normalizers and
    pre-tokenizers do."""

    def make():
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        return train(
            tokenizer,
            trainers.WordPieceTrainer(
                vocab_size=1800, special_tokens=["[UNK]"], show_progress=False, limit_alphabet=1500
            ),
        )

    return make


def by_pattern(pattern):
    return lambda: bpe(with_pattern(pattern))


CASES = {
    "gpt2": gpt2,
    "roberta": roberta,
    "llama3": llama3,
    "qwen2": qwen2,
    "smollm2": smollm2,
    "deepseek": deepseek,
    "falcon": falcon,
    "gpt4o": by_pattern(GPT4O),
    "cl100k": by_pattern(CL100K),
    "bloom": by_pattern(BLOOM),
    "llama2": llama2,
    "mistral": mistral,
    "gemma": gemma,
    "partial-bytes": partial_bytes,
    "partial-bytes-fused": partial_bytes_fused,
    "no-unknown": no_unknown,
    "clip": clip,
    "prefixed-bpe": prefixed_bpe,
    "bert": bert,
    "bert-cased": bert_cased,
    "t5": t5,
    "albert": albert,
    "unigram-bytes": unigram_bytes,
    "added-tokens": added_tokens,
    "nfd-strip-accents": normalized_words(
        normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
        pre_tokenizers.Whitespace(),
    ),
    "nfkd": normalized_words(normalizers.NFKD(), pre_tokenizers.WhitespaceSplit()),
    "nmt-byte-level": normalized_words(
        normalizers.Sequence([normalizers.Nmt(), normalizers.ByteLevel()]), None
    ),
    "delimiter": normalized_words(
        normalizers.Strip(left=False), pre_tokenizers.CharDelimiterSplit("e")
    ),
    "fixed-length": normalized_words(None, pre_tokenizers.FixedLength(5)),
    "punctuation-previous": normalized_words(
        None, pre_tokenizers.Punctuation("merged_with_previous")
    ),
    "split-previous": normalized_words(None, split(r"\s+|[aeiou]", "merged_with_previous")),
    "split-next": normalized_words(None, split(r"\s|[aeiou]", "merged_with_next")),
    "split-contiguous": normalized_words(None, split(r"\s|[aeiou]", "contiguous")),
    "split-removed": normalized_words(None, split(r"\s|[aeiou]", "removed")),
    "split-string": normalized_words(None, pre_tokenizers.Split("o", "merged_with_next", True)),
    "split-empty": normalized_words(None, split(r"x*", "isolated")),
    "metaspace-first": normalized_words(
        normalizers.Sequence([normalizers.Replace(Regex(r"^\p{L}"), "AB"), normalizers.Prepend("<")]),
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(True),
                pre_tokenizers.Punctuation(),
                pre_tokenizers.Metaspace("_", "first"),
            ]
        ),
    ),
    "metaspace-stripped": normalized_words(
        normalizers.Strip(), pre_tokenizers.Metaspace("▁", "first", split=False)
    ),
}


def texts(random_source):
    """The sample whole, by line, and cut at random; then random strings."""
    yield SAMPLE
    yield from SAMPLE.split("\n")
    for _ in range(60):
        begin = random_source.randrange(len(SAMPLE))
        yield SAMPLE[begin : begin + random_source.randrange(1, 200)]
    yield "a" * 3000
    yield " " * 500 + "\n" * 300 + "ab " * 400
    ranges = [(0, 0x80)] * 6 + [(0x80, 0x800)] * 3 + [(0x800, 0x10000)] * 3 + [(0x10000, 0x20000)]
    ranges += [(0x300, 0x370), (0x2000, 0x2070), (0x1F300, 0x1FAFF), (0xE000, 0x10000), (0x110B, 0x1200)]
    sample = list(SAMPLE)
    for _ in range(150):
        characters = []
        while len(characters) < random_source.randrange(1, 60):
            if random_source.random() < 0.4:
                characters.append(random_source.choice(sample))
                continue
            character = chr(random_source.randrange(*random_source.choice(ranges)))
            # What is assigned depends on the Unicode version of each library.
            if unicodedata.category(character) not in ("Cn", "Cs"):
                characters.append(character)
        yield "".join(characters)


def requests_for(tokenizer, random_source):
    """Requests with the answers that `tokenizers` gives."""
    size = tokenizer.get_vocab_size()
    for text in texts(random_source):
        for add_special in (False, True):
            ids = tokenizer.encode(text, add_special_tokens=add_special).ids
            yield {"text": text, "special": add_special}, ids
        yield from decodings(tokenizer, ids)
    for _ in range(100):
        ids = [random_source.randrange(size + 3) for _ in range(random_source.randrange(40))]
        yield from decodings(tokenizer, ids)
    fallback = [i for i in map(tokenizer.token_to_id, BYTES) if i is not None]
    for _ in range(100 if fallback else 0):
        source = random_source.choice(SAMPLE).encode() + bytes([random_source.randrange(256)])
        ids = [tokenizer.token_to_id(BYTES[byte]) or 5 for byte in source * 2]
        ids.insert(random_source.randrange(len(ids)), random_source.randrange(size))
        yield from decodings(tokenizer, ids)


def decodings(tokenizer, ids):
    for skip in (False, True):
        yield {"ids": ids, "skip": skip}, tokenizer.decode(ids, skip_special_tokens=skip)


def check(name, tokenizer, folder):
    """Number of requests, after all answers were compared; exits if one differs."""
    path = pathlib.Path(folder) / (name + ".json")
    path.write_text(tokenizer.to_str(), encoding="utf-8")
    # tokenizer.json may ask for these; lq leaves them to the caller.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    pairs = list(requests_for(tokenizer, random.Random(name)))
    result = subprocess.run(
        ["lq-tokenize-test", str(path), str(path) + ".gguf"],
        input="".join(json.dumps(request) + "\n" for request, _ in pairs),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if result.returncode != 0:
        sys.exit(f"{name}: {result.stderr}")
    answers = [json.loads(line) for line in result.stdout.split("\n")[:-1]]
    assert len(answers) == len(pairs), f"{name}: {len(answers)} answers to {len(pairs)} requests"
    for (request, expected), answer in zip(pairs, answers):
        if "text" in request:
            matches = answer.get("ids") == expected
        else:
            matches = answer["text"] == answer["stream"] == expected
        if not matches:
            report(name, tokenizer, request, expected, answer)
    return len(pairs)


def report(name, tokenizer, request, expected, answer):
    print(f"{name}: {json.dumps(request)[:2000]}")
    if "ids" in answer and "text" in request:
        got = answer["ids"]
        start = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(got), len(expected)))
        print("first difference at token", start)
        for label, ids in (("expected", expected), ("got", got)):
            print(label, [(i, tokenizer.id_to_token(i)) for i in ids[max(0, start - 3) : start + 8]])
    else:
        print("expected", repr(expected), "\ngot", repr(answer))
    sys.exit(1)


def main():
    names = sys.argv[1:] or list(CASES)
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name.endswith(".json"):
                tokenizer = Tokenizer.from_file(name)
                count = check(pathlib.Path(name).stem, tokenizer, folder)
            else:
                count = check(name, CASES[name](), folder)
            print(f"{name}: {count} requests agree", flush=True)
            total += count
    print(f"{len(names)} tokenizers, {total} requests agree")


if __name__ == "__main__":
    main()
