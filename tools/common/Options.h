//===- Options.h - command lines of the runtime's tools ---------*- C++ -*-===//
//
// The tools that only need the runtime do not link LLVM, so they read their
// command lines with this instead of llvm::cl.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_TOOLS_COMMON_OPTIONS_H
#define LQ_TOOLS_COMMON_OPTIONS_H

#include "runtime/Error.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace lq {

/// The options of a tool. Each writes to a variable that must outlive the
/// parser and that holds the default before.
class Options {
public:
  /// `usage` follows the program's name, `description` is a paragraph.
  Options(std::string program, std::string usage, std::string description)
      : program(std::move(program)), usage(std::move(usage)),
        description(std::move(description)) {}

  /// Where an option's value goes. A list takes the option again and again.
  using Target =
      std::variant<bool *, int64_t *, float *, std::string *,
                   std::optional<std::string> *, std::optional<uint64_t> *,
                   std::vector<std::string> *, std::vector<int64_t> *>;

  /// `name` without dashes; `valueName` as in --name=<value>, empty for flags.
  /// A list of integers is written with commas.
  void add(std::string name, std::string valueName, std::string help,
           Target target);
  /// The argument that is no option; required.
  void addPositional(std::string name, std::string &target);

  /// Reads the command line: --name=value, --name value, flags as --name; one
  /// dash will do. True if the tool should go on, false if --help was asked for
  /// and has been printed.
  Expected<bool> parse(int argc, const char *const *argv);

private:
  struct Option {
    std::string name;
    std::string valueName;
    std::string help;
    Target target;
  };

  Error parseOption(std::string_view text,
                    const std::vector<std::string_view> &arguments,
                    size_t &index);
  Error unknown(std::string_view name) const;
  void printHelp() const;

  std::string program, usage, description;
  std::vector<Option> options;
  std::string positionalName;
  std::string *positional = nullptr;
};

/// Prints "<program>: error: <message>" and returns the exit status 1.
int reportError(std::string_view program, const Error &error);

/// Writes to standard output; fails if that is not possible (a full disk).
Error writeOutput(std::string_view text);

} // namespace lq

#endif // LQ_TOOLS_COMMON_OPTIONS_H
