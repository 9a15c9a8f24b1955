# Files that are root's, by content-of-files.pl: arguments are key and path in turn.
use strict; use warnings;
while (my ($key, $path) = splice @ARGV, 0, 2) { content($key, $path) }
