# SQLite files, and processes that write to them and die.
add_library(test_sqlite_pipe STATIC ${CMAKE_CURRENT_LIST_DIR}/sqlite_pipe.c)
target_include_directories(test_sqlite_pipe PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(test_sqlite_pipe
  PUBLIC test_sqlite_fixture PRIVATE synod_strict)
foreach(noun chaos wake)
  synod_test(sync.sqlite_${noun} LABELS it TIMEOUT 120
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/sqlite_${noun}_test.c
    NEEDS test_sqlite_pipe)
endforeach()
