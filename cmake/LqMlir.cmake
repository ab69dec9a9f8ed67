# Finds MLIR and defines how lq's compiler libraries are built on it.
#
# Everything links the shared libMLIR and libLLVM through
# mlir_target_link_libraries; mixing in a static MLIR archive would put two
# copies of MLIR's type registry into one process.

find_package(MLIR 22.1 REQUIRED CONFIG
  HINTS /usr/lib/llvm-22/lib/cmake/mlir)
set(MLIR_LINK_MLIR_DYLIB ON)
set(LLVM_LINK_LLVM_DYLIB ON)
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
include(TableGen)
include(AddLLVM)
include(AddMLIR)

include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(LQ_LLVM_DEFINITIONS UNIX_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${LQ_LLVM_DEFINITIONS})

# Dense algebra: BLAS and LAPACK for the machine that lq runs on. The package's
# file names the library itself, not what Debian's alternatives choose.
find_package(PkgConfig REQUIRED)
pkg_check_modules(OpenBLAS REQUIRED IMPORTED_TARGET openblas)

# MLIR's headers are most of the time of a compilation; all libraries share them
# precompiled.
option(LQ_PRECOMPILED_HEADERS "Compile the headers of MLIR once" ON)
if(LQ_PRECOMPILED_HEADERS)
  add_library(LqMlirHeaders OBJECT "${CMAKE_CURRENT_LIST_DIR}/MlirHeaders.cpp")
  target_precompile_headers(LqMlirHeaders PRIVATE "${CMAKE_CURRENT_LIST_DIR}/MlirHeaders.h")
  # With the time of each header in it, ccache would never meet it again.
  target_compile_options(LqMlirHeaders PRIVATE -fno-exceptions "SHELL:-Xclang -fno-pch-timestamp")
endif()

# lq_compiler_library(NAME sources... [DEPENDS tablegen-targets...]
#                     [LINK lq-libraries...] [MLIR mlir-libraries...])
function(lq_compiler_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK;MLIR" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
  # The second line adds libLLVM, which libMLIR does not bring along.
  mlir_target_link_libraries(${name} PUBLIC ${ARG_MLIR})
  target_link_libraries(${name} PUBLIC LLVM)
  target_compile_options(${name} PRIVATE -fno-exceptions)
  if(LQ_PRECOMPILED_HEADERS)
    target_precompile_headers(${name} REUSE_FROM LqMlirHeaders)
  endif()
  target_include_directories(${name} INTERFACE
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/lq>")
  install(TARGETS ${name} EXPORT LqCompilerTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endfunction()

# lq_compiler_tool(NAME sources... [LINK lq-libraries...] [MLIR mlir-libraries...])
function(lq_compiler_tool name)
  cmake_parse_arguments(ARG "" "" "LINK;MLIR" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  mlir_target_link_libraries(${name} PRIVATE ${ARG_MLIR})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
  install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endfunction()

# lq_tablegen(TARGET file.td generator-args... OUTPUT name.inc)
macro(lq_tablegen_file td output)
  set(LLVM_TARGET_DEFINITIONS ${td})
  mlir_tablegen(${output} ${ARGN} EXTRA_INCLUDES "${CMAKE_SOURCE_DIR}")
endmacro()
