// test_limits.c: what control groups allow, from folders of files as systems have them: both versions, groups in groups, containers that
// see a part of the tree, files that are missing or are no such files.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "runtime/limits.h"

#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

static char root[64];

static int remove_root(void **s) {
  char command[128];
  (void)s;
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  return *root ? system(command) : 0;
}

static int new_root(void **s) {
  (void)s;
  strcpy(root, "/tmp/mtlc-limits-XXXXXX");
  return mkdtemp(root) ? 0 : -1;
}

static void put(const char *path, const char *text) {        // and the folders that it is in
  char full[512];
  snprintf(full, sizeof full, "%s%s", root, path);
  for (char *s = full + strlen(root) + 1; (s = strchr(s, '/')); s++) {
    *s = 0;
    mkdir(full, 0700);
    *s = '/';
  }
  FILE *f = fopen(full, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void expect(int64_t bytes, const char *bytes_by, double cores, const char *cores_by) {   // by: below root; "": none
  GroupLimits g = group_limits(root);
  char want[512];
  assert_int_equal(g.bytes, bytes);
  assert_true(g.cores == cores);
  snprintf(want, sizeof want, "%s%s", *bytes_by ? root : "", bytes_by);
  assert_string_equal(g.bytes_by, want);
  snprintf(want, sizeof want, "%s%s", *cores_by ? root : "", cores_by);
  assert_string_equal(g.cores_by, want);
}
static void expect_none(void) { expect(INT64_MAX, "", INFINITY, ""); }

#define MOUNTS "22 28 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n"
#define MOUNT_2 MOUNTS "31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_1(group) MOUNTS \
  "32 31 0:29 " group " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
  "33 31 0:30 " group " /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n" \
  "34 31 0:31 " group " /sys/fs/cgroup/memory rw shared:9 master:2 - cgroup cgroup rw,memory\n"
#define GROUPS_1(group) "9:cpuset:" group "\n4:memory:" group "\n3:cpu,cpuacct:" group "\n1:name=systemd:" group "\n0::/\n"

static void nothing(void **s) {
  (void)s;
  expect_none();
  put("/proc/self/cgroup", "");
  put("/proc/self/mountinfo", MOUNT_2);
  expect_none();
}

static void version_2(void **s) {
  (void)s;
  put("/proc/self/cgroup", "0::/\n");
  put("/proc/self/mountinfo", MOUNT_2);
  expect_none();                                             // the root group has no such files
  put("/sys/fs/cgroup/memory.max", "2147483648\n");
  put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  expect(2147483648, "/sys/fs/cgroup/memory.max", 1.5, "/sys/fs/cgroup/cpu.max");
  put("/sys/fs/cgroup/memory.max", "max\n");
  put("/sys/fs/cgroup/cpu.max", "max 100000\n");
  expect_none();
}

static void groups_in_groups(void **s) {                      // each limit is the least of all levels
  (void)s;
  put("/proc/self/cgroup", "0::/pod/box/job\n");
  put("/proc/self/mountinfo", MOUNT_2);
  put("/sys/fs/cgroup/pod/memory.max", "1000000\n");
  put("/sys/fs/cgroup/pod/cpu.max", "400000 100000\n");
  put("/sys/fs/cgroup/pod/box/memory.max", "max\n");
  put("/sys/fs/cgroup/pod/box/cpu.max", "25000 100000\n");
  put("/sys/fs/cgroup/pod/box/job/memory.max", "3000000\n");
  put("/sys/fs/cgroup/pod/box/job/cpu.max", "max 100000\n");
  put("/sys/fs/cgroup/other/memory.max", "7\n");
  expect(1000000, "/sys/fs/cgroup/pod/memory.max", 0.25, "/sys/fs/cgroup/pod/box/cpu.max");
  put("/sys/fs/cgroup/pod/box/job/memory.max", "500000\n");
  expect(500000, "/sys/fs/cgroup/pod/box/job/memory.max", 0.25, "/sys/fs/cgroup/pod/box/cpu.max");
}

static void version_1(void **s) {
  (void)s;
  put("/proc/self/cgroup", GROUPS_1("/user/job"));
  put("/proc/self/mountinfo", MOUNT_1("/"));
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");                // how it says: none
  put("/sys/fs/cgroup/memory/user/memory.limit_in_bytes", "800000000\n");
  put("/sys/fs/cgroup/memory/user/job/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/cpu,cpuacct/user/job/cpu.cfs_quota_us", "-1\n");
  put("/sys/fs/cgroup/cpu,cpuacct/user/job/cpu.cfs_period_us", "100000\n");
  put("/sys/fs/cgroup/cpuset/user/job/cpu.cfs_quota_us", "1\n");                              // of no meaning there
  expect(800000000, "/sys/fs/cgroup/memory/user/memory.limit_in_bytes", INFINITY, "");
  put("/sys/fs/cgroup/cpu,cpuacct/user/job/cpu.cfs_quota_us", "120000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/user/job/cpu.cfs_period_us", "50000\n");
  expect(800000000, "/sys/fs/cgroup/memory/user/memory.limit_in_bytes", 2.4, "/sys/fs/cgroup/cpu,cpuacct/user/job/cpu.cfs_quota_us");
}

// A container sees its own group at the mount, whatever /proc/self/cgroup calls it.
static void parts_of_the_tree(void **s) {
  (void)s;
  put("/proc/self/mountinfo", MOUNT_1("/docker/1f"));
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "600\n");
  put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "500\n");
  const char *const groups[] = { GROUPS_1("/docker/1f"), GROUPS_1("/docker/1fe"), GROUPS_1("/"), GROUPS_1("/../elsewhere") };
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    put("/proc/self/cgroup", groups[i]);
    expect(600, "/sys/fs/cgroup/memory/memory.limit_in_bytes", INFINITY, "");
  }
  put("/proc/self/cgroup", GROUPS_1("/docker/1f/job"));
  expect(500, "/sys/fs/cgroup/memory/job/memory.limit_in_bytes", INFINITY, "");
  put("/proc/self/cgroup", GROUPS_1("/docker/1f/gone/job"));
  expect(600, "/sys/fs/cgroup/memory/memory.limit_in_bytes", INFINITY, "");
}

static void both_versions(void **s) {
  (void)s;
  put("/proc/self/cgroup", "4:memory:/a\n0::/b\n");
  put("/proc/self/mountinfo", MOUNT_1("/") "40 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "400\n");
  put("/sys/fs/cgroup/unified/b/memory.max", "700\n");
  put("/sys/fs/cgroup/unified/b/cpu.max", "300000 100000\n");
  expect(400, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes", 3, "/sys/fs/cgroup/unified/b/cpu.max");
}

static void other_places(void **s) {                          // of the mount, with a blank in it; and the usual one, where nothing says it
  (void)s;
  put("/proc/self/cgroup", "0::/a\n");
  put("/proc/self/mountinfo", "31 23 0:27 / /run/my\\040groups rw - cgroup2 none rw\n");
  put("/run/my groups/a/memory.max", "123\n");
  put("/sys/fs/cgroup/a/memory.max", "45\n");
  expect(123, "/run/my groups/a/memory.max", INFINITY, "");
  put("/proc/self/mountinfo", "");
  expect(45, "/sys/fs/cgroup/a/memory.max", INFINITY, "");
}

static void garbage(void **s) {
  (void)s;
  static const char *const bad[] = { "", "\n", "x", "12x", "-5", "0", "1e9", "max", "99999999999999999999999999999999999999999999999", "\xff\xfe" };
  put("/proc/self/cgroup", "nonsense\n:\n::\n0:\n0::/\n0::/a\n7:memory\n");
  put("/proc/self/mountinfo", "x\n - \n - cgroup2\n1 2 3 - cgroup2 cgroup2 rw\n" MOUNT_2);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    put("/sys/fs/cgroup/a/memory.max", bad[i]);
    put("/sys/fs/cgroup/a/cpu.max", bad[i]);
    expect_none();
  }
  static const char *const bad_time[] = { "100000", "100000 0", "100000 x", "0 100000", "-1 100000", "100000 -100000" };
  for (size_t i = 0; i < sizeof bad_time / sizeof *bad_time; i++) {
    put("/sys/fs/cgroup/a/cpu.max", bad_time[i]);
    expect_none();
  }
  char *deep = malloc(20001);                                 // a name that is longer than a path can be
  memset(deep, '/', 20000);
  for (int i = 1; i < 20000; i += 2) deep[i] = 'd';
  deep[20000] = 0, memcpy(deep, "0::", 3);
  put("/proc/self/cgroup", deep);
  expect_none();
  free(deep);
}

static void threads(void **s) {
  (void)s;
  assert_int_equal(cores_for(1.5, 64), 2);
  assert_int_equal(cores_for(2, 64), 2);
  assert_int_equal(cores_for(0.1, 64), 1);
  assert_int_equal(cores_for(63.2, 64), 64);
  assert_int_equal(cores_for(100, 64), 64);
  assert_int_equal(cores_for(INFINITY, 3), 3);
  assert_int_equal(cores_for(1e300, 0), 1);
}

static int limited_child(int which, int64_t bytes, const char *by) {
  pid_t child = fork();
  if (child == 0) {
    setrlimit(which, &(struct rlimit){ (rlim_t)bytes, (rlim_t)bytes });
    MemoryLimit m = usable_memory();
    _exit(!(m.bytes == bytes && m.machine > bytes && !strcmp(m.by, by)));
  }
  int status = -1;
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

static void this_process(void **s) {
  (void)s;
  MemoryLimit m = usable_memory();
  CoreLimit c = usable_cores();
  assert_true(m.bytes > 0 && m.bytes <= m.machine && (m.bytes < m.machine) == (*m.by != 0));
  assert_true(c.cores >= 1 && c.cores <= c.allowed && (c.time < c.allowed) == (*c.by != 0));
  if (SANITIZED) return;                                     // a sanitizer's own memory has no room below a limit
  assert_int_equal(limited_child(RLIMIT_AS, 90000001, "ulimit -v"), 0);
  assert_int_equal(limited_child(RLIMIT_DATA, 80000002, "ulimit -d"), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, new_root, remove_root)
int main(void) {
  const struct CMUnitTest tests[] = { TEST(nothing), TEST(version_2), TEST(groups_in_groups), TEST(version_1), TEST(parts_of_the_tree),
                                      TEST(both_versions), TEST(other_places), TEST(garbage), cmocka_unit_test(threads),
                                      cmocka_unit_test(this_process) };
  return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
