//===- Error.h - errors as values -------------------------------*- C++ -*-===//
//
// lq's runtime is built without exceptions crossing its functions: what can
// fail returns an Error or an Expected<T>. The shape is llvm::Error's, without
// its abort on unchecked values, since the runtime links no LLVM.
//
//===----------------------------------------------------------------------===//

#ifndef LQ_RUNTIME_ERROR_H
#define LQ_RUNTIME_ERROR_H

#include <cassert>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace lq {

/// What kind of thing went wrong; the same numbers as `lq_status` of lq.h.
enum class ErrorCode {
  Success = 0,
  InvalidArgument = 1, ///< the caller passed something that cannot be right
  Io = 2,              ///< the operating system refused: open, read, write
  Corrupt = 3,         ///< a file is damaged or is not what it says it is
  Unsupported = 4,     ///< well-formed, but this build or machine cannot do it
  OutOfMemory = 5,     ///< an allocation failed
  ContextFull = 6,     ///< more positions than the session has room for
  Stopped = 7,         ///< a callback of the caller asked to stop
};

/// Success, or a code with a message: lower case, no full stop, saying what,
/// where, and what to do. Converts to true when it is a failure.
class [[nodiscard]] Error {
public:
  Error() = default;
  Error(ErrorCode code, std::string message)
      : payload(std::make_unique<Payload>(Payload{code, std::move(message)})) {}
  Error(Error &&) = default;
  Error &operator=(Error &&) = default;

  static Error success() { return {}; }

  explicit operator bool() const { return payload != nullptr; }
  ErrorCode code() const {
    return payload ? payload->code : ErrorCode::Success;
  }
  const std::string &message() const {
    static const std::string none;
    return payload ? payload->message : none;
  }

private:
  struct Payload {
    ErrorCode code;
    std::string message;
  };
  std::unique_ptr<Payload> payload;
};

/// Makes an Error whose message is the parts written one after another.
template <typename... Parts>
Error makeError(ErrorCode code, const Parts &...parts) {
  std::ostringstream text;
  (text << ... << parts);
  return Error(code, std::move(text).str());
}

/// A name from a file as it may stand in a one-line message: in quotes, without
/// control characters, cut where it is very long.
inline std::string quoteName(std::string_view name) {
  constexpr size_t longest = 160;
  std::string quoted = "'";
  for (unsigned char c : name.substr(0, longest))
    quoted += c < 0x20 || c == 0x7f ? '?' : static_cast<char>(c);
  return quoted + (name.size() > longest ? "...'" : "'");
}

/// A T or the Error that kept it from being made. Converts to true when it
/// holds a T.
template <typename T> class [[nodiscard]] Expected {
public:
  Expected(T value) : storage(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : storage(std::in_place_index<1>, std::move(error)) {
    assert(std::get<1>(storage) && "an Expected without value needs a failure");
  }

  explicit operator bool() const { return storage.index() == 0; }
  T &operator*() { return std::get<0>(storage); }
  const T &operator*() const { return std::get<0>(storage); }
  T *operator->() { return &std::get<0>(storage); }
  const T *operator->() const { return &std::get<0>(storage); }

  const Error &error() const { return std::get<1>(storage); }
  /// Moves the failure out; success if there is a value.
  Error takeError() {
    return *this ? Error::success() : std::move(std::get<1>(storage));
  }

private:
  std::variant<T, Error> storage;
};

} // namespace lq

#endif // LQ_RUNTIME_ERROR_H
