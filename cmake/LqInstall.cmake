# `cmake --install` and the CMake package: find_package(Lq) gives lq::LqRuntime
# (static), lq::LqShared (liblq.so, the C interface) and, where the compiler was
# built, lq::LqDialect and the other libraries of the dialects and passes.

include(CMakePackageConfigHelpers)
set(LQ_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/lq")

install(EXPORT LqRuntimeTargets NAMESPACE lq:: DESTINATION "${LQ_PACKAGE_DIR}")
if(LQ_BUILD_COMPILER)
  install(EXPORT LqCompilerTargets NAMESPACE lq:: DESTINATION "${LQ_PACKAGE_DIR}")
endif()

# Headers keep their paths from the root: "dialects/lq/LqOps.h". Those of the
# runtime are installed where it is defined.
if(LQ_BUILD_COMPILER)
  foreach(folder dialects passes lowering)
    install(DIRECTORY ${folder} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/lq"
      FILES_MATCHING PATTERN "*.h" PATTERN "*.td")
    install(DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${folder}"
      DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/lq"
      FILES_MATCHING PATTERN "*.h.inc" PATTERN "CMakeFiles" EXCLUDE)
  endforeach()
endif()

configure_package_config_file(cmake/LqConfig.cmake.in
  "${CMAKE_CURRENT_BINARY_DIR}/LqConfig.cmake" INSTALL_DESTINATION "${LQ_PACKAGE_DIR}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/LqConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/LqConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/LqConfigVersion.cmake" DESTINATION "${LQ_PACKAGE_DIR}")
