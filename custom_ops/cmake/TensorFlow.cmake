# The installed TensorFlow as an imported target, tensorflow_framework, found by
# find_tensorflow.py. Sets DDL_TF_VERSION, DDL_TF_DISTRIBUTION and DDL_TF_CXX11_ABI.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

execute_process(
  COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_LIST_DIR}/find_tensorflow.py"
  RESULT_VARIABLE failed
  OUTPUT_VARIABLE output
  ERROR_VARIABLE error)
if(failed)
  message(FATAL_ERROR "${error}")
endif()

function(ddl_value key variable)
  string(REGEX MATCH "(^|\n)${key}=([^\n]*)" matched "${output}")
  set(${variable} "${CMAKE_MATCH_2}" PARENT_SCOPE)
endfunction()
ddl_value(DIRECTORY DDL_TF_DIRECTORY)
ddl_value(DISTRIBUTION DDL_TF_DISTRIBUTION)
ddl_value(VERSION DDL_TF_VERSION)
ddl_value(CXX11_ABI DDL_TF_CXX11_ABI)
message(STATUS "TensorFlow ${DDL_TF_VERSION} (${DDL_TF_DISTRIBUTION}): ${DDL_TF_DIRECTORY}")

# Headers of an imported target are system headers: they give no warnings. The definitions are those
# that tf.sysconfig.get_compile_flags() prints.
add_library(tensorflow_framework SHARED IMPORTED)
set_target_properties(tensorflow_framework PROPERTIES
  IMPORTED_LOCATION "${DDL_TF_DIRECTORY}/libtensorflow_framework.so.2"
  IMPORTED_SONAME libtensorflow_framework.so.2
  INTERFACE_INCLUDE_DIRECTORIES "${DDL_TF_DIRECTORY}/include"
  INTERFACE_COMPILE_DEFINITIONS
    "_GLIBCXX_USE_CXX11_ABI=${DDL_TF_CXX11_ABI};EIGEN_MAX_ALIGN_BYTES=64")
