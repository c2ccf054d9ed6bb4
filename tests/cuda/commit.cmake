# Writes a source file with the commit that is checked out, if it has changed: the program that names it is linked again, and not compiled.
cmake_policy(VERSION 3.25)
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "extern const char* const vernier_commit;\nconst char* const vernier_commit = \"${commit}\";\n" @ONLY)
