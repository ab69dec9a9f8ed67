//===- Options.cpp - command lines of the runtime's tools -----------------===//

#include "tools/common/Options.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <unistd.h>

using namespace lq;

void Options::add(std::string name, std::string valueName, std::string help,
                  Target target) {
  options.push_back(
      {std::move(name), std::move(valueName), std::move(help), target});
}

void Options::addPositional(std::string name, std::string &target) {
  positionalName = std::move(name);
  positional = &target;
}

/// The fewest insertions, deletions and replacements from a to b.
static size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t(0));
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

Error Options::unknown(std::string_view name) const {
  std::string_view best;
  size_t bestDistance = 3;
  for (const Option &option : options)
    if (size_t distance = editDistance(name, option.name);
        distance < bestDistance && distance < option.name.size()) {
      best = option.name;
      bestDistance = distance;
    }
  if (best.empty())
    return makeError(ErrorCode::InvalidArgument, "unknown option '--", name,
                     "'; see --help");
  return makeError(ErrorCode::InvalidArgument, "unknown option '--", name,
                   "'; did you mean '--", best, "'?");
}

template <typename T> static bool parseNumber(std::string_view text, T &out) {
  T value;
  auto [end, failure] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size())
    return false;
  out = value;
  return true;
}

static bool parseList(std::string_view text, std::vector<int64_t> &out) {
  out.clear();
  while (true) {
    size_t comma = std::min(text.find(','), text.size());
    int64_t value;
    if (!parseNumber(text.substr(0, comma), value))
      return false;
    out.push_back(value);
    if (comma == text.size())
      return true;
    text.remove_prefix(comma + 1);
  }
}

namespace {
/// Stores a value's text; false if it is not of the option's type.
struct Assign {
  std::string_view text;

  bool operator()(bool *) const { return false; }
  bool operator()(int64_t *target) const { return parseNumber(text, *target); }
  bool operator()(float *target) const { return parseNumber(text, *target); }
  bool operator()(std::string *target) const {
    *target = text;
    return true;
  }
  bool operator()(std::optional<std::string> *target) const {
    *target = std::string(text);
    return true;
  }
  bool operator()(std::optional<uint64_t> *target) const {
    return parseNumber(text, target->emplace());
  }
  bool operator()(std::vector<std::string> *target) const {
    target->emplace_back(text);
    return true;
  }
  bool operator()(std::vector<int64_t> *target) const {
    return parseList(text, *target);
  }
};
} // namespace

Error Options::parseOption(std::string_view text,
                           const std::vector<std::string_view> &arguments,
                           size_t &index) {
  text.remove_prefix(text.starts_with("--") ? 2 : 1);
  size_t equals = text.find('=');
  std::string_view name = text.substr(0, equals);
  auto option = std::ranges::find_if(
      options, [&](const Option &o) { return o.name == name; });
  if (option == options.end())
    return unknown(name);
  bool hasValue = equals != std::string_view::npos;
  if (bool **flag = std::get_if<bool *>(&option->target)) {
    if (hasValue)
      return makeError(ErrorCode::InvalidArgument, "option '--", name,
                       "' takes no value");
    **flag = true;
    return Error::success();
  }
  if (!hasValue && index + 1 == arguments.size())
    return makeError(ErrorCode::InvalidArgument, "option '--", name,
                     "' needs a value: --", name, "=<", option->valueName, ">");
  std::string_view value =
      hasValue ? text.substr(equals + 1) : arguments[++index];
  if (!std::visit(Assign{value}, option->target))
    return makeError(ErrorCode::InvalidArgument, "option '--", name,
                     "': expected <", option->valueName, ">, got '", value,
                     "'");
  return Error::success();
}

Expected<bool> Options::parse(int argc, const char *const *argv) {
  std::vector<std::string_view> arguments(argv + 1, argv + argc);
  bool found = false;
  bool onlyPositional = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string_view text = arguments[i];
    if (!onlyPositional && text == "--") {
      onlyPositional = true;
    } else if (!onlyPositional && (text == "--help" || text == "-h")) {
      printHelp();
      return false;
    } else if (!onlyPositional && text.size() > 1 && text[0] == '-') {
      if (Error error = parseOption(text, arguments, i))
        return error;
    } else if (!positional || found) {
      return makeError(ErrorCode::InvalidArgument, "unexpected argument '",
                       text, "'; see --help");
    } else {
      *positional = text;
      found = true;
    }
  }
  if (positional && !found)
    return makeError(ErrorCode::InvalidArgument, "expected <", positionalName,
                     ">; usage: ", program, " ", usage);
  return true;
}

void Options::printHelp() const {
  std::printf("usage: %s %s\n\n%s\n\noptions:\n", program.c_str(),
              usage.c_str(), description.c_str());
  for (const Option &option : options) {
    std::string left = (option.name.size() == 1 ? "-" : "--") + option.name;
    if (!option.valueName.empty())
      left += "=<" + option.valueName + ">";
    if (left.size() < 24)
      std::printf("  %-24s", left.c_str());
    else
      std::printf("  %s\n  %24s", left.c_str(), "");
    std::printf("%s\n", option.help.c_str());
  }
  std::printf("  %-24s%s\n", "--help", "print this");
}

int lq::reportError(std::string_view program, const Error &error) {
  std::fprintf(stderr, "%.*s: error: %s\n", static_cast<int>(program.size()),
               program.data(), error.message().c_str());
  return 1;
}

Error lq::writeOutput(std::string_view text) {
  while (!text.empty()) {
    ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return makeError(ErrorCode::Io, "cannot write to standard output: ",
                       std::strerror(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return Error::success();
}
