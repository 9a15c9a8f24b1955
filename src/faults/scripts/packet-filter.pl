# Packets dropped inside a container, by one nftables table of ours in the container's own network namespace:
# nothing of the host or of another container is touched, one deletion undoes it, and a restart of the
# container takes it away by itself.
#
# No image has the tool nft, so a few lines of perl (perl-base is part of every Debian and Ubuntu) speak the
# kernel's protocol themselves: linux/netfilter/nfnetlink.h and nf_tables.h, whose numbers these are. A batch
# is done whole or not at all.
#
# Why not blackhole routes: they fail the node's own connections at once (EINVAL), as no lost packet would, and
# a keeper that need not wait for its time-outs fences itself by another clock (docs/timings.md, link down).
use strict; use Socket qw(:DEFAULT inet_pton);
my ($order, @args) = @ARGV;
my $waits = $order eq "isolate-at";
$order = "isolate" if $waits;
my ($table, $sequence, @batch, %asked) = ("pgha_drill", 0);
# What is printed just before the end may get lost, so the end comes a little later.
sub fail { print STDERR "packet filter: @_\n"; select(undef, undef, undef, 0.1); exit 1 }

sub attribute { my ($type, $value) = @_;
  pack("S S a*", 4 + length $value, $type, $value) . "\0" x (-length($value) % 4) }
sub nested { my $type = shift; attribute(0x8000 | $type, join "", @_) }
sub text { attribute($_[0], "$_[1]\0") }
sub number { attribute($_[0], pack "N", $_[1]) }

sub message { my ($type, $flags, $family, $resource, @attributes) = @_;
  my $body = pack("C C n", $family, 0, $resource) . join "", @attributes;
  push @batch, pack("L S S L L", 16 + length $body, $type, 1 | $flags, ++$sequence, 0) . $body;
  return $sequence }
# NFNL_SUBSYS_NFTABLES, NLM_F_ACK, NFPROTO_INET
sub nft { my ($kind, $flags, @attributes) = @_;
  $asked{message(0xa00 | $kind, 4 | $flags, 1, 0, @attributes)} = 1 }
sub remove_table { nft(2, 0, text(1, $table)) }
sub add_table { nft(0, 0x400, text(1, $table)) }
# Before connection tracking and every other filter: priority -300.
sub add_chain { my ($name, $hook) = @_; nft(3, 0x400, text(1, $table), text(3, $name),
  nested(4, number(1, $hook), number(2, 0xfffffed4)), text(7, "filter")) }

sub expression { my ($name, @data) = @_; nested(1, text(1, $name), nested(2, @data)) }
sub meta { expression("meta", number(1, 1), number(2, $_[0])) }
sub compare { my ($differs, $value) = @_;
  expression("cmp", number(1, 1), number(2, $differs), nested(3, attribute(1, $value))) }
sub payload { my ($offset, $length) = @_;
  expression("payload", number(1, 1), number(2, 1), number(3, $offset), number(4, $length)) }
sub one_in { expression("numgen", number(1, 1), number(2, $_[0]), number(3, 1)) . compare(0, pack "L", 0) }
# NF_DROP
sub dropped { expression("immediate", number(1, 0), nested(2, nested(2, number(1, 0)))) }
sub add_rule { my ($chain, @expressions) = @_;
  nft(6, 0xc00, text(1, $table), text(2, $chain), nested(4, @expressions, dropped())) }

# Every packet but those of the loopback interface (its index is 1 everywhere).
sub outside { my $chain = shift; return meta($chain eq "in" ? 4 : 5) . compare(1, pack "L", 1) }
# A dropped datagram would tell its sender (EPERM), so that a name look-up failed at once. As nothing comes in,
# what goes out is not answered either, and is as lost as it looks.
sub not_udp { return meta(16) . compare(1, pack "C", 17) }
sub address { my ($chain, $address) = @_;
  my $is6 = $address =~ /:/;
  my $bytes = inet_pton($is6 ? AF_INET6 : AF_INET, $address) or fail("$address is no address");
  my $offset = $chain eq "in" ? ($is6 ? 8 : 12) : ($is6 ? 24 : 16);
  return meta(15) . compare(0, pack "C", $is6 ? 10 : 2) . payload($offset, length $bytes) . compare(0, $bytes) }

my $netlink;
if (!socket($netlink, 16, 3, 12)) {
  exit 0 if $order eq "lift";
  fail("the host's kernel has no nf_tables: $!");
}
setsockopt($netlink, SOL_SOCKET, SO_RCVTIMEO, pack "l! l!", 5, 0);
message(0x10, 0, 0, 10);
if ($order eq "lift") { remove_table() }
else {
  # Whatever table of that name there is, it is replaced.
  add_table(); remove_table(); add_table();
  for (["in", 0], ["out", 3]) {
    my ($chain, $hook) = @$_;
    add_chain($chain, $hook);
    my @polite = $chain eq "out" ? not_udp() : ();
    if ($order eq "block") { add_rule($chain, address($chain, $_)) for @args }
    elsif ($order eq "isolate") { add_rule($chain, outside($chain), @polite) }
    elsif ($order eq "lose") { add_rule($chain, outside($chain), @polite, one_in($args[0])) }
    else { fail("$order is no order") }
  }
}
message(0x11, 0, 0, 10);
wait_for_the_moment() if $waits;
my $before = $waits ? told() : "";
send($netlink, join("", @batch), 0) or fail("$!");
while (%asked) {
  defined recv($netlink, my $answer, 65536, 0) or fail("the kernel did not answer: $!");
  while (length $answer) {
    my ($length, $type, undef, $of, undef, $error) = unpack "L S S L L l", $answer;
    $answer = substr $answer, ($length + 3) & ~3;
    next unless $type == 2;
    delete $asked{$of};
    next unless $error;
    $! = -$error;
    # ENOENT: there was no table; EOPNOTSUPP: nor could there be one.
    exit 0 if $order eq "lift" && ($! == 2 || $! == 95);
    fail("the host's kernel refused (step $of): $!");
  }
}
if ($waits) {
  print "fell $before ", told(), "\n";
  # Until whoever ordered it has read that.
  1 while defined <STDIN>;
}
print "lifted\n" if $order eq "lift";
