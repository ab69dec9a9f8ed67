//===- Statistics.cpp - what calibration saw of linears' inputs -----------===//

#include "passes/calibrate/Statistics.h"

#include "passes/calibrate/ImatrixParser.h"
#include "runtime/JsonDepth.h"
#include "runtime/Safetensors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/JSON.h"

#include <cmath>
#include <sys/mman.h>
#include <unistd.h>

using namespace llvm;
using namespace lq;

static constexpr StringLiteral versionKey = "lq.statistics.version",
                               inputsKey = "lq.statistics.inputs",
                               weightsKey = "lq.statistics.weights",
                               textKey = "lq.statistics.text", version = "1";
static constexpr StringLiteral xxSuffix = ".sum_xx", absSuffix = ".sum_abs",
                               squareSuffix = ".sum_square";

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

namespace lq {
/// Fills in statistics from a safetensors file that is mapped.
class StatisticsParser {
public:
  explicit StatisticsParser(StatisticsFile &result) : result(result) {}
  llvm::Error parse();

private:
  template <typename... Parts> llvm::Error fail(const Parts &...parts) const {
    return fileError(result.filePath, parts...);
  }
  llvm::Expected<json::Array> readList(StringRef key) const;
  llvm::Error parseInputs();
  llvm::Error parseWeights();
  llvm::Error findSums(const StatisticsInput &input);
  llvm::Error findTensor(const Twine &name, ArrayRef<uint64_t> shape,
                         bool isNeeded, ArrayRef<float> &values) const;

  StatisticsFile &result;
  SafetensorsReader reader;
};
} // namespace lq

llvm::Expected<json::Array> StatisticsParser::readList(StringRef key) const {
  auto text = reader.metadata().find(std::string_view(key));
  if (text == reader.metadata().end())
    return fail("metadata value ", key, " is missing");
  // {"weights": [...]} in a list is as deep as it gets.
  auto value = jsonDepth(text->second) > 3
                   ? createStringError("it nests too deep")
                   : json::parse(text->second);
  if (!value)
    return fail("metadata value ", key,
                " is no JSON: ", toString(value.takeError()));
  json::Array *list = value->getAsArray();
  if (!list)
    return fail("metadata value ", key, " is no list");
  return std::move(*list);
}

/// The texts of a list; nothing if it has anything else.
static std::optional<std::vector<std::string>>
textsOf(const json::Array *list) {
  std::vector<std::string> texts;
  if (!list)
    return std::nullopt;
  for (const json::Value &value : *list) {
    if (!value.getAsString())
      return std::nullopt;
    texts.push_back(value.getAsString()->str());
  }
  return texts;
}

llvm::Error StatisticsParser::parseInputs() {
  llvm::Expected<json::Array> list = readList(inputsKey);
  if (!list)
    return list.takeError();
  for (const json::Value &value : *list) {
    const json::Object *fields = value.getAsObject();
    auto name = fields ? fields->getString("name") : std::nullopt;
    auto columns = fields ? fields->getInteger("columns") : std::nullopt;
    auto tokens = fields ? fields->getInteger("tokens") : std::nullopt;
    auto weights = fields ? textsOf(fields->getArray("weights")) : std::nullopt;
    if (!name || !columns || !tokens || !weights || *columns <= 0 ||
        *tokens < 0)
      return fail("metadata value ", inputsKey,
                  " has an input without name, columns, tokens or weights");
    result.description.inputs.push_back(
        {name->str(), *columns, *tokens, std::move(*weights)});
  }
  return llvm::Error::success();
}

llvm::Error StatisticsParser::parseWeights() {
  llvm::Expected<json::Array> list = readList(weightsKey);
  if (!list)
    return list.takeError();
  for (const json::Value &value : *list) {
    const json::Object *fields = value.getAsObject();
    auto name = fields ? fields->getString("name") : std::nullopt;
    auto sample = fields ? fields->getString("sample") : std::nullopt;
    const json::Array *sizes = fields ? fields->getArray("shape") : nullptr;
    if (!name || !sample || !sizes)
      return fail("metadata value ", weightsKey,
                  " has a weight without name, shape or sample");
    StatisticsWeight weight{name->str(), {}, sample->str()};
    for (const json::Value &size : *sizes)
      weight.shape.push_back(size.getAsInteger().value_or(-1));
    result.description.weights.push_back(std::move(weight));
  }
  return llvm::Error::success();
}

/// "[4, 2]".
template <typename Size> static std::string spellShape(ArrayRef<Size> shape) {
  std::string text;
  raw_string_ostream stream(text);
  interleaveComma(shape, stream);
  return "[" + text + "]";
}

llvm::Error StatisticsParser::findTensor(const Twine &name,
                                         ArrayRef<uint64_t> shape,
                                         bool isNeeded,
                                         ArrayRef<float> &values) const {
  const SafetensorsTensor *tensor = reader.findTensor(name.str());
  if (!tensor && !isNeeded)
    return llvm::Error::success();
  if (!tensor)
    return fail("tensor ", quoteName(name.str()), " is missing");
  const uint8_t *data = tensor->bytes.data();
  if (tensor->type != "F32" || ArrayRef(tensor->shape) != shape ||
      reinterpret_cast<uintptr_t>(data) % alignof(float))
    return fail("tensor ", quoteName(name.str()), " is not F32 of shape ",
                spellShape(shape), ", as its input promises");
  values = ArrayRef(reinterpret_cast<const float *>(data),
                    tensor->bytes.size() / sizeof(float));
  return llvm::Error::success();
}

llvm::Error StatisticsParser::findSums(const StatisticsInput &input) {
  auto columns = static_cast<uint64_t>(input.columns);
  StatisticsFile::Sums sums;
  if (llvm::Error error = findTensor(input.name + absSuffix, {columns},
                                     /*isNeeded=*/true, sums.abs))
    return error;
  if (llvm::Error error = findTensor(input.name + squareSuffix, {columns},
                                     /*isNeeded=*/true, sums.square))
    return error;
  if (llvm::Error error = findTensor(input.name + xxSuffix, {columns, columns},
                                     /*isNeeded=*/false, sums.xx))
    return error;
  result.description.hasSumXX &= !sums.xx.empty();
  result.sums.push_back(sums);
  return llvm::Error::success();
}

llvm::Error StatisticsParser::parse() {
  auto parsed = SafetensorsReader::parse(result.file->bytes(), result.filePath);
  if (!parsed)
    return createStringError(parsed.error().message());
  reader = std::move(*parsed);
  const auto &metadata = reader.metadata();
  auto found = metadata.find(std::string_view(versionKey));
  if (found == metadata.end())
    return fail("the safetensors file holds no statistics; lq-calibrate writes "
                "such files");
  if (found->second != version)
    return fail("expected statistics of version ", version, ", got ",
                quoteName(found->second), "; calibrate again");
  if (auto text = metadata.find(std::string_view(textKey));
      text != metadata.end())
    result.description.text = text->second;
  if (llvm::Error error = parseInputs())
    return error;
  if (llvm::Error error = parseWeights())
    return error;
  for (const StatisticsInput &input : result.description.inputs)
    if (llvm::Error error = findSums(input))
      return error;
  return llvm::Error::success();
}

llvm::Expected<StatisticsFile> StatisticsFile::open(StringRef path) {
  StatisticsFile result;
  result.filePath = path.str();
  auto file = MappedFile::open(result.filePath);
  if (!file)
    return createStringError(file.error().message());
  result.file = std::move(*file);
  std::span<const uint8_t> bytes = result.file->bytes();
  StringRef start(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  bool isGguf = start.starts_with("GGUF");
  // A safetensors file has a length of 8 bytes before its header.
  bool isSafetensors = start.size() > 8 && start[8] == '{';
  result.imatrix = isGguf || !isSafetensors;
  llvm::Error error = isGguf          ? ImatrixParser(result).parseGguf()
                      : isSafetensors ? StatisticsParser(result).parse()
                                      : ImatrixParser(result).parseOld();
  if (error)
    return std::move(error);
  if (result.imatrix)
    result.description.hasSumXX = false;
  result.indexWeights();
  return std::move(result);
}

void StatisticsFile::indexWeights() {
  inputOfWeight.clear();
  for (auto [i, input] : llvm::enumerate(description.inputs))
    for (const std::string &weight : input.weights)
      inputOfWeight[weight] = i;
  for (auto [i, weight] : llvm::enumerate(description.weights))
    weightOfName[weight.name] = i;
}

InputStatistics StatisticsFile::get(size_t input) const {
  const StatisticsInput &found = description.inputs[input];
  const Sums &own = sums[input];
  return {found.name, found.columns, found.tokens, own.xx, own.abs, own.square};
}

std::optional<InputStatistics> StatisticsFile::find(StringRef weight) const {
  auto found = inputOfWeight.find(weight);
  if (found == inputOfWeight.end() ||
      description.inputs[found->second].tokens == 0)
    return std::nullopt;
  return get(found->second);
}

void StatisticsFile::rename(
    function_ref<std::vector<std::string>(StringRef)> nameOf) {
  for (StatisticsInput &input : description.inputs) {
    std::vector<std::string> names;
    for (const std::string &weight : input.weights)
      llvm::append_range(names, nameOf(weight));
    input.weights = std::move(names);
  }
  indexWeights();
}

llvm::Error StatisticsFile::checkWeight(const StatisticsWeight &weight) const {
  if (imatrix)
    return llvm::Error::success();
  auto fail = [&](const Twine &what) {
    return fileError(filePath, "the statistics are of another model: weight @",
                     weight.name, " ", what, "; calibrate again");
  };
  auto found = weightOfName.find(weight.name);
  if (found == weightOfName.end())
    return fail("is not in it");
  const StatisticsWeight &known = description.weights[found->second];
  if (known.shape != weight.shape)
    return fail("has the shape " + spellShape(ArrayRef(known.shape)) +
                " in it, here " + spellShape(ArrayRef(weight.shape)));
  if (known.sample != weight.sample)
    return fail("has other elements in it");
  return llvm::Error::success();
}

/// Fails if not all of a tensor's elements are finite.
static llvm::Error checkElements(StringRef path, const Twine &tensor,
                                 ArrayRef<float> values) {
  const float *bad =
      llvm::find_if_not(values, [](float v) { return std::isfinite(v); });
  if (bad == values.end())
    return llvm::Error::success();
  return fileError(path, "tensor ", quoteName(tensor.str()),
                   " is not finite at element ", bad - values.begin());
}

llvm::Error StatisticsFile::checkFinite(const InputStatistics &input) const {
  for (auto [suffix, values] : {std::pair(absSuffix, input.sumAbs),
                                std::pair(squareSuffix, input.sumSquare),
                                std::pair(xxSuffix, input.sumXX)})
    if (llvm::Error error =
            checkElements(filePath, input.name + suffix, values))
      return error;
  return llvm::Error::success();
}

void StatisticsFile::release(const InputStatistics &input) const {
  auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  // Whole pages only: those at the ends hold other inputs' sums too.
  auto begin =
      llvm::alignTo(reinterpret_cast<uintptr_t>(input.sumXX.begin()), page);
  auto end = reinterpret_cast<uintptr_t>(input.sumXX.end()) / page * page;
  // Advice only: if the system does not take it, the pages stay.
  if (end > begin)
    ::madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static std::string describeInputs(ArrayRef<StatisticsInput> inputs) {
  json::Array list;
  for (const StatisticsInput &input : inputs)
    list.push_back(json::Object{{"name", input.name},
                                {"columns", input.columns},
                                {"tokens", input.tokens},
                                {"weights", json::Array(input.weights)}});
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(list));
  return text;
}

static std::string describeWeights(ArrayRef<StatisticsWeight> weights) {
  json::Array list;
  for (const StatisticsWeight &weight : weights)
    list.push_back(json::Object{{"name", weight.name},
                                {"shape", json::Array(weight.shape)},
                                {"sample", weight.sample}});
  std::string text;
  raw_string_ostream(text) << json::Value(std::move(list));
  return text;
}

/// The file's tensors in the order they lie in, without data.
static std::vector<SafetensorsTensor>
listTensors(const StatisticsHeader &header) {
  std::vector<SafetensorsTensor> tensors;
  auto add = [&](const std::string &name, std::vector<uint64_t> shape) {
    tensors.push_back({name, "F32", std::move(shape), {}, 0});
  };
  for (const StatisticsInput &input : header.inputs) {
    auto columns = static_cast<uint64_t>(input.columns);
    add(input.name + absSuffix.str(), {columns});
    add(input.name + squareSuffix.str(), {columns});
    if (header.hasSumXX)
      add(input.name + xxSuffix.str(), {columns, columns});
  }
  return tensors;
}

/// Where the tensors lie, and what stands before them. Starts the file with that,
/// unless it has it already.
llvm::Error StatisticsWriter::start() {
  std::vector<SafetensorsTensor> tensors = listTensors(header);
  std::string prefix =
      layOutSafetensors({{versionKey.str(), version.str()},
                         {inputsKey.str(), describeInputs(header.inputs)},
                         {weightsKey.str(), describeWeights(header.weights)},
                         {textKey.str(), header.text}},
                        tensors);
  const SafetensorsTensor *tensor = tensors.data();
  uint64_t size = prefix.size();
  for (const StatisticsInput &input : header.inputs) {
    Places &own = places.emplace_back();
    auto columns = static_cast<uint64_t>(input.columns);
    own.abs = tensor++->fileOffset;
    own.square = tensor++->fileOffset;
    size = own.square + columns * sizeof(float);
    if (!header.hasSumXX)
      continue;
    own.xx = tensor++->fileOffset;
    size = own.xx + columns * columns * sizeof(float);
  }
  std::vector<char> there(prefix.size());
  llvm::Error missing = file.read(0, there);
  bool isSame = !missing && StringRef(there.data(), there.size()) == prefix;
  consumeError(std::move(missing));
  if (!isSame) {
    if (llvm::Error error = file.resize(0))
      return error;
    if (llvm::Error error =
            file.write(0, ArrayRef(prefix.data(), prefix.size())))
      return error;
  }
  return file.resize(size);
}

llvm::Expected<StatisticsWriter>
StatisticsWriter::open(StringRef path, const StatisticsHeader &header) {
  auto file = PositionedFile::open(path);
  if (!file)
    return file.takeError();
  StatisticsWriter writer(std::move(*file), header);
  if (llvm::Error error = writer.start())
    return std::move(error);
  return std::move(writer);
}

llvm::Error StatisticsWriter::writeTensor(uint64_t offset, StringRef name,
                                          ArrayRef<float> values) {
  if (llvm::Error error = checkElements(file.path(), name, values))
    return error;
  return file.write(offset, bytesOf(values));
}

llvm::Error StatisticsWriter::write(size_t input, const InputStatistics &sums) {
  const StatisticsInput &described = header.inputs[input];
  [[maybe_unused]] auto columns = static_cast<size_t>(described.columns);
  assert(sums.sumAbs.size() == columns && sums.sumSquare.size() == columns &&
         sums.sumXX.size() == (header.hasSumXX ? columns * columns : 0) &&
         "sums of the size that the header promises");
  const std::string &name = described.name;
  if (llvm::Error error =
          writeTensor(places[input].abs, name + absSuffix.str(), sums.sumAbs))
    return error;
  if (llvm::Error error = writeTensor(
          places[input].square, name + squareSuffix.str(), sums.sumSquare))
    return error;
  if (!header.hasSumXX)
    return llvm::Error::success();
  return writeTensor(places[input].xx, name + xxSuffix.str(), sums.sumXX);
}
