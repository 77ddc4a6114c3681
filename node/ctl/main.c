#include <locale.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "node/ctl/ctl.h"

int main(int argc, char **argv)
{
	/* For the width of names in tables; numbers stay as they are. */
	setlocale(LC_CTYPE, "");
	struct winsize size = {0};
	bool is_tty = isatty(STDOUT_FILENO);
	struct ctl_world world = {
		.out = stdout,
		.err = stderr,
		.in_fd = STDIN_FILENO,
		.is_out_tty = is_tty,
		.is_in_tty = isatty(STDIN_FILENO) && isatty(STDERR_FILENO),
		.link = &link_door,
	};
	if (is_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		world.width = size.ws_col;
	return ctl_main(&world, argc, argv);
}
