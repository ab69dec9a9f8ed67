//===- Emulator.cpp - another machine's code, under an emulator -----------===//

#include "test/unit/kernels/Emulator.h"
#include "llvm/Support/ErrorHandling.h"
#include <cerrno>
#include <csignal>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace lq::cpu;
using namespace lq::cpu::test;

// Set by CMake: the emulator, the folder of the other machine's libraries and
// the call server; empty where they are missing.
static const std::string emulator = LQ_AARCH64_EMULATOR;
static const std::string libraries = LQ_AARCH64_LIBRARIES;
static const std::string server = LQ_AARCH64_CALL_SERVER;

std::string Emulator::whyNone(Architecture architecture) {
  if (architecture != Architecture::AArch64)
    return "no emulator is used for " + getName(architecture).str();
  if (emulator.empty())
    return "qemu-aarch64 was not found when the tests were configured";
  if (server.empty())
    return "aarch64-linux-gnu-g++ was not found when the tests were "
           "configured";
  return {};
}

std::string Emulator::features(const std::string &processor) {
  std::string command = "'" + emulator + "' -cpu " + processor + " -L '" +
                        libraries + "' '" + server + "' features";
  FILE *pipe = popen(command.c_str(), "r");
  std::string text;
  for (int byte; pipe && (byte = fgetc(pipe)) != EOF;)
    text += static_cast<char>(byte);
  if (!pipe || pclose(pipe))
    llvm::report_fatal_error("cannot run the emulator", false);
  return text;
}

Emulator &Emulator::get() {
  static Emulator emulator;
  return emulator;
}

Emulator::Emulator() {
  // That the server crashed is told where its answer is missing.
  std::signal(SIGPIPE, SIG_IGN);
  int in[2], out[2];
  if (pipe(in) || pipe(out))
    llvm::report_fatal_error("cannot make pipes", false);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  for (int end : {in[0], in[1], out[0], out[1]})
    posix_spawn_file_actions_addclose(&actions, end);
  std::vector<std::string> command = {emulator, "-cpu",    "max",
                                      "-L",     libraries, server};
  std::vector<char *> arguments;
  for (std::string &argument : command)
    arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  if (posix_spawn(&process, arguments[0], &actions, nullptr, arguments.data(),
                  environ))
    llvm::report_fatal_error("cannot start the emulator", false);
  posix_spawn_file_actions_destroy(&actions);
  close(in[0]);
  close(out[1]);
  requests = in[1];
  answers = out[0];
}

Emulator::~Emulator() {
  // It ends with its requests.
  close(requests);
  waitpid(process, nullptr, 0);
}

void Emulator::add(Word word) {
  add(word.target);
  add(word.addend);
}

void Emulator::addText(const std::string &text) {
  add(static_cast<int64_t>(text.size()));
  add(text.data(), text.size());
}

void Emulator::send() {
  for (llvm::StringRef left = pending; !left.empty();) {
    ssize_t written = write(requests, left.data(), left.size());
    if (written < 0 && errno != EINTR)
      llvm::report_fatal_error("the emulated code crashed", false);
    left = left.drop_front(static_cast<size_t>(std::max<ssize_t>(written, 0)));
  }
  pending.clear();
}

void Emulator::receive(void *bytes, size_t count) {
  char *to = static_cast<char *>(bytes);
  while (count > 0) {
    ssize_t got = read(answers, to, count);
    if (got == 0 || (got < 0 && errno != EINTR))
      llvm::report_fatal_error("the emulated code crashed", false);
    if (got > 0) {
      to += got;
      count -= static_cast<size_t>(got);
    }
  }
}

int64_t Emulator::load(const std::string &path, const std::string &symbol) {
  add(static_cast<int64_t>(Request::Load));
  addText(path);
  addText(symbol);
  send();
  int64_t function;
  receive(&function, sizeof(function));
  return function;
}

void Emulator::call(int64_t function, const std::vector<Buffer> &buffers,
                    const std::vector<std::vector<Word>> &calls) {
  add(static_cast<int64_t>(Request::Call));
  add(function);
  add(int64_t(0));
  add(static_cast<int64_t>(buffers.size()));
  for (const Buffer &buffer : buffers) {
    add(static_cast<int64_t>(buffer.bytes));
    add(buffer.data, buffer.bytes);
    add(static_cast<int64_t>(buffer.pointers.size()));
    for (const Pointer &pointer : buffer.pointers) {
      add(pointer.place);
      add(pointer.word);
    }
  }
  add(static_cast<int64_t>(calls.size()));
  add(static_cast<int64_t>(calls.empty() ? 0 : calls.front().size()));
  for (const std::vector<Word> &arguments : calls)
    for (Word word : arguments)
      add(word);
  send();
  for (const Buffer &buffer : buffers)
    receive(buffer.data, buffer.bytes);
}
