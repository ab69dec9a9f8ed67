//===- StopSignals.h - being told to stop -----------------------*- C++ -*-===//

#ifndef LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H
#define LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H

namespace lq {

/// From now on, SIGINT, SIGTERM and SIGHUP make a thread remove temporary folders
/// and end the process with 128 + signal.
void handleStopSignals();

} // namespace lq

#endif // LQ_TOOLS_LQ_COMPILE_STOPSIGNALS_H
