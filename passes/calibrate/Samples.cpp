//===- Samples.cpp - the text that a model is calibrated on ---------------===//
//
// Text is cut at line ends into pieces of a few samples, the pieces are
// shuffled, and each gives one sample until there are enough. So samples come from
// all of the text, and no more of it is tokenized than they need. What is left of
// pieces serves where that is not enough.
//
//===----------------------------------------------------------------------===//

#include "passes/calibrate/Samples.h"

#include "passes/calibrate/FileError.h"
#include "runtime/JsonDepth.h"
#include "runtime/MappedFile.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

#include <random>

using namespace llvm;
using namespace lq;

/// Bytes of a piece for each token of a sample; English text has about four a
/// token.
static constexpr size_t bytesPerToken = 16;

/// Nothing that lq reads nests deeper; a parser calls itself for each level.
static constexpr int maxJsonDepth = 64;

namespace {

/// Lines of a file.
struct Piece {
  size_t file;
  StringRef text;
  /// The number of the first line, counted from 1.
  size_t line;
};

/// What the tokenizer puts around the tokens of a text.
struct Frame {
  std::vector<int32_t> before, after;

  size_t size() const { return before.size() + after.size(); }
};

class SampleReader {
public:
  SampleReader(const SampleOptions &options, const Tokenizer &tokenizer)
      : options(options), tokenizer(tokenizer) {}

  llvm::Expected<Samples> read();

private:
  llvm::Error openFiles();
  void cut(size_t file, StringRef text);
  llvm::Error findFrame();
  llvm::Expected<std::vector<int32_t>> encode(const Piece &piece);
  llvm::Expected<std::vector<int32_t>> encodeLines(const Piece &piece);
  llvm::Error encodeText(const Piece &piece, StringRef text,
                         std::vector<int32_t> &tokens);
  void add(ArrayRef<int32_t> content);
  llvm::Error checkTokens();
  size_t contentTokens() const {
    return static_cast<size_t>(options.length) - frame.size();
  }
  bool isFull() const {
    return result.tokens.size() == static_cast<size_t>(options.samples);
  }

  const SampleOptions &options;
  const Tokenizer &tokenizer;
  std::vector<std::shared_ptr<const MappedFile>> files;
  std::vector<Piece> pieces;
  Frame frame;
  size_t tokensSeen = 0;
  Samples result;
};

} // namespace

llvm::Expected<Tokenizer> lq::openTokenizer(StringRef path) {
  std::string folder = path.str();
  if (!sys::fs::is_directory(path)) {
    StringRef parent = sys::path::parent_path(path);
    folder = parent.empty() ? "." : parent.str();
  }
  auto files = readTokenizerFiles(folder);
  if (!files)
    return createStringError(files.error().message());
  auto model = tokenizerModelFromJson(*files);
  if (!model)
    return createStringError(model.error().message());
  auto tokenizer = Tokenizer::fromModel(std::move(*model));
  if (!tokenizer)
    return createStringError(tokenizer.error().message());
  return std::move(*tokenizer);
}

/// Cuts text at the first line end after enough bytes; at a space, or before a
/// character, in text whose lines are longer.
void SampleReader::cut(size_t file, StringRef text) {
  size_t wanted = bytesPerToken * static_cast<size_t>(options.length);
  size_t line = 1;
  bool mustBeLines = StringRef(options.files[file]).ends_with(".jsonl");
  while (!text.empty()) {
    size_t end = text.find('\n', wanted);
    if (!mustBeLines && end > 4 * wanted && text.size() > 4 * wanted) {
      end = text.find_first_of(" \n", wanted);
      if (end > 4 * wanted)
        for (end = wanted; (text[end] & 0xc0) == 0x80;)
          ++end;
      --end;
    }
    StringRef piece = text.take_front(end == StringRef::npos ? end : end + 1);
    pieces.push_back({file, piece, line});
    line += piece.count('\n');
    text = text.drop_front(piece.size());
  }
}

llvm::Error SampleReader::openFiles() {
  if (options.files.empty())
    return createStringError("option text: a file of text is required");
  for (const std::string &path : options.files) {
    auto file = MappedFile::open(path);
    if (!file)
      return createStringError(file.error().message());
    std::span<const uint8_t> bytes = (*file)->bytes();
    StringRef text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    if (text.trim().empty())
      return fileError(path, "the file has no text");
    if (text.take_front(4096).contains('\0'))
      return fileError(path, "the file is no text: it has bytes of zero");
    cut(files.size(), text);
    files.push_back(std::move(*file));
  }
  return llvm::Error::success();
}

/// Finds what the tokenizer's template adds, by a text with and without it.
llvm::Error SampleReader::findFrame() {
  std::string text = pieces.front().text.take_front(64).trim().str();
  auto plain = tokenizer.encode(text, /*addSpecial=*/false);
  auto framed = tokenizer.encode(text, /*addSpecial=*/true);
  if (!plain || !framed)
    return createStringError((plain ? framed : plain).error().message());
  auto found =
      std::search(framed->begin(), framed->end(), plain->begin(), plain->end());
  frame.before.assign(framed->begin(), found);
  if (found != framed->end())
    frame.after.assign(found + static_cast<ptrdiff_t>(plain->size()),
                       framed->end());
  if (static_cast<size_t>(options.length) <= frame.size())
    return createStringError(
        "option length: expected more than the %zu tokens that the tokenizer "
        "adds to each text, got %lld",
        frame.size(), static_cast<long long>(options.length));
  return llvm::Error::success();
}

llvm::Error SampleReader::encodeText(const Piece &piece, StringRef text,
                                     std::vector<int32_t> &tokens) {
  auto ids = tokenizer.encode(std::string_view(text), /*addSpecial=*/false);
  if (!ids)
    return fileError(options.files[piece.file], ids.error().message());
  llvm::append_range(tokens, *ids);
  return llvm::Error::success();
}

/// The tokens of the texts of JSON lines, with an end of text between them.
llvm::Expected<std::vector<int32_t>>
SampleReader::encodeLines(const Piece &piece) {
  std::vector<int32_t> tokens;
  size_t number = piece.line;
  for (StringRef rest = piece.text; !rest.empty(); ++number) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    auto fail = [&](const auto &...what) {
      return fileError(options.files[piece.file], "line ", number, ": ",
                       what...);
    };
    if (line.trim().empty())
      continue;
    if (jsonDepth(line) > maxJsonDepth)
      return fail("the JSON nests too deep");
    llvm::Expected<json::Value> value = json::parse(line);
    if (!value)
      return fail(toString(value.takeError()));
    const json::Object *fields = value->getAsObject();
    auto text = fields ? fields->getString("text") : std::nullopt;
    if (!text && fields && fields->get("messages"))
      return fail("lq does not apply chat templates; write the messages as the "
                  "model's template renders them into a field \"text\"");
    if (!text)
      return fail("expected an object with a field \"text\"");
    if (!tokens.empty() && tokenizer.eosId() >= 0)
      tokens.push_back(tokenizer.eosId());
    if (llvm::Error error = encodeText(piece, *text, tokens))
      return std::move(error);
  }
  return tokens;
}

llvm::Expected<std::vector<int32_t>> SampleReader::encode(const Piece &piece) {
  if (StringRef(options.files[piece.file]).ends_with(".jsonl"))
    return encodeLines(piece);
  std::vector<int32_t> tokens;
  if (llvm::Error error = encodeText(piece, piece.text, tokens))
    return std::move(error);
  return tokens;
}

void SampleReader::add(ArrayRef<int32_t> content) {
  std::vector<int32_t> &sample = result.tokens.emplace_back(frame.before);
  llvm::append_range(sample, content);
  llvm::append_range(sample, frame.after);
}

/// Checks that the tokenizer knows the text.
llvm::Error SampleReader::checkTokens() {
  if (tokenizer.unknownId() < 0)
    return llvm::Error::success();
  size_t unknown = 0, all = 0;
  for (const std::vector<int32_t> &sample : result.tokens) {
    ArrayRef<int32_t> content = ArrayRef(sample)
                                    .drop_front(frame.before.size())
                                    .drop_back(frame.after.size());
    unknown += llvm::count(content, tokenizer.unknownId());
    all += content.size();
  }
  if (unknown == all)
    return createStringError("the tokenizer knows nothing of the text: all its "
                             "tokens are unknown; give text in a language of "
                             "the model");
  if (unknown * 10 > all)
    result.warnings.push_back(
        std::to_string(unknown * 100 / all) +
        "% of the text's tokens are unknown to the tokenizer");
  return llvm::Error::success();
}

/// Shuffles alike wherever it runs: std::shuffle is not specified.
template <typename T>
static void shuffle(std::vector<T> &values, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[random() % i]);
}

llvm::Expected<Samples> SampleReader::read() {
  if (llvm::Error error = openFiles())
    return std::move(error);
  if (llvm::Error error = findFrame())
    return std::move(error);
  shuffle(pieces, options.seed);
  std::vector<std::vector<int32_t>> rest;
  for (size_t i = 0; i < pieces.size() && !isFull(); ++i) {
    llvm::Expected<std::vector<int32_t>> tokens = encode(pieces[i]);
    if (!tokens)
      return tokens.takeError();
    tokensSeen += tokens->size();
    ArrayRef<int32_t> left(*tokens);
    if (left.size() < contentTokens())
      continue;
    add(left.take_front(contentTokens()));
    for (left = left.drop_front(contentTokens());
         left.size() >= contentTokens();
         left = left.drop_front(contentTokens()))
      rest.push_back(left.take_front(contentTokens()).vec());
  }
  for (size_t i = 0; i < rest.size() && !isFull(); ++i)
    add(rest[i]);
  if (result.tokens.empty())
    return createStringError("the text has %zu tokens, too few for a sample of "
                             "%lld; give more text, "
                             "or a smaller length",
                             tokensSeen,
                             static_cast<long long>(options.length));
  if (!isFull())
    result.warnings.push_back("the text gives only " +
                              std::to_string(result.tokens.size()) + " of " +
                              std::to_string(options.samples) + " samples");
  if (llvm::Error error = checkTokens())
    return std::move(error);
  return std::move(result);
}

llvm::Expected<Samples> lq::readSamples(const SampleOptions &options,
                                        const Tokenizer &tokenizer) {
  if (options.samples < 1)
    return createStringError("option samples: expected at least 1, got %lld",
                             static_cast<long long>(options.samples));
  if (options.length < 1)
    return createStringError("option length: expected at least 1, got %lld",
                             static_cast<long long>(options.length));
  return SampleReader(options, tokenizer).read();
}

mlir::FailureOr<Samples> lq::chooseSamples(mlir::ModuleOp module,
                                           const SampleOptions &options,
                                           StringRef tokenizer) {
  auto fail = [&](llvm::Error error) {
    return mlir::emitError(module.getLoc()) << llvm::toString(std::move(error));
  };
  if (tokenizer.empty())
    return mlir::emitError(module.getLoc())
           << "option tokenizer: the model's tokenizer.json is required";
  llvm::Expected<Tokenizer> opened = openTokenizer(tokenizer);
  if (!opened)
    return fail(opened.takeError());
  llvm::Expected<Samples> read = readSamples(options, *opened);
  if (!read)
    return fail(read.takeError());
  for (const std::string &warning : read->warnings)
    mlir::emitWarning(module.getLoc()) << warning;
  return std::move(*read);
}
