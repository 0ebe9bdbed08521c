/*
 * A simulated sound card, as a plug-in of the ALSA library ("type loa_card").
 *
 * Its clock is CLOCK_MONOTONIC, wrong by "ppm". What is played is appended to a file, what is
 * captured comes from a file or a FIFO, and what befalls it is told by files in its folder:
 *
 *   played.raw   every frame that was handed over, S16_LE        written by the card
 *   events.log   one line a happening, see tell()                written by the card
 *   capture      what there is to capture, S16_LE; none: silence
 *   gone         while it is there, every call fails with ENODEV
 *   stalled      while it is there, the clock stands still, and no call fails
 *   xrun         is taken away, and the card runs dry once
 *
 * It has no mixer, one rate, one format.
 */
#define _GNU_SOURCE
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define RATE 48000
#define SAMPLE_BYTES 2

struct card {
	snd_pcm_ioplug_t io;
	int folder;  /* open on it, so that the files need no paths */
	int lock;    /* held while open: a second program finds the card busy */
	int timer;   /* what a waiting program sleeps on */
	int events;
	int sound;   /* played.raw, or capture; -1 where there is nothing to capture */
	double ppm;
	long latency;       /* frames on their way behind the buffer, as in a USB cable */
	bool running, still;
	int64_t seen_ns, ran_ns; /* when the clock was looked at, and how long it had run */
	uint64_t handed;    /* frames handed over or fetched since prepare() */
	uint64_t filed;     /* frames in played.raw */
	snd_pcm_sframes_t pointer; /* the last one told */
};

static int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static bool is_there(const struct card *card, const char *name)
{
	return faccessat(card->folder, name, F_OK, 0) == 0;
}

/* Append "WHAT DIRECTION NS FRAME": FRAME, a number of played.raw, sounds at NS. */
static void tell(const struct card *card, const char *what, int64_t ns, uint64_t frame)
{
	char line[96];
	int size = snprintf(line, sizeof line, "%s %s %lld %llu\n", what,
			    snd_pcm_stream_name(card->io.stream), (long long)ns,
			    (unsigned long long)frame);
	if (write(card->events, line, size) != size)
		SNDERR("loa_card: events.log: %m");
}

static uint64_t frames_in(const struct card *card, int64_t ns)
{
	return (uint64_t)((double)ns * RATE * (1 + card->ppm * 1e-6) / SECOND);
}

/* The frame of played.raw that leaves the buffer as the clock has run for so long. */
static uint64_t filed_at(const struct card *card, uint64_t moved)
{
	return card->filed - card->handed + moved;
}

/* Let the clock run on, unless it stands still; return how many frames it has moved. */
static uint64_t advance(struct card *card)
{
	int64_t now = now_ns();
	bool still = is_there(card, "stalled");
	if (!card->still)
		card->ran_ns += now - card->seen_ns;
	card->seen_ns = now;
	uint64_t moved = frames_in(card, card->ran_ns);
	if (still != card->still) {
		tell(card, still ? "still" : "clock", now, filed_at(card, moved));
		card->still = still;
	}
	return moved;
}

static void arm(struct card *card, int64_t interval_ns)
{
	if (interval_ns < 1000000)
		interval_ns = 1000000;
	struct timespec every = { interval_ns / SECOND, interval_ns % SECOND };
	struct itimerspec spec = { every, every };
	timerfd_settime(card->timer, 0, &spec, NULL);
}

static int leave(struct card *card)
{
	snd_pcm_ioplug_set_state(&card->io, SND_PCM_STATE_DISCONNECTED);
	return -ENODEV;
}

static int card_hw_params(snd_pcm_ioplug_t *io, snd_pcm_hw_params_t *params)
{
	struct card *card = io->private_data;
	struct stat file;
	(void)params;
	if (is_there(card, "gone"))
		return leave(card);
	if (io->stream == SND_PCM_STREAM_PLAYBACK) {
		if (fstat(card->sound, &file) < 0)
			return -errno;
		card->filed = file.st_size / (SAMPLE_BYTES * io->channels);
	}
	tell(card, "opened", now_ns(), card->filed);
	return 0;
}

/* A program waits on the timer before it starts, too; so it ticks from here on. */
static int card_prepare(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	if (is_there(card, "gone"))
		return leave(card);
	card->running = false;
	card->ran_ns = 0;
	card->handed = 0;
	card->pointer = 0;
	arm(card, (int64_t)io->period_size * SECOND / RATE / 8);
	return 0;
}

static int card_start(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	if (is_there(card, "gone"))
		return leave(card);
	/* What was handed over before the start stays counted: it is what sounds first. */
	card->running = true;
	card->still = false;
	card->ran_ns = 0;
	card->seen_ns = now_ns();
	tell(card, "clock", card->seen_ns, filed_at(card, 0));
	return 0;
}

static int card_stop(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	if (card->running)
		tell(card, "stopped", now_ns(), filed_at(card, advance(card)));
	card->running = false;
	return 0;
}

static bool has_run_dry(struct card *card, uint64_t moved)
{
	if (unlinkat(card->folder, "xrun", 0) == 0)
		return true;
	if (card->io.stream == SND_PCM_STREAM_PLAYBACK)
		return moved >= card->handed && card->io.state != SND_PCM_STATE_DRAINING;
	return moved > card->handed + card->io.buffer_size;
}

static snd_pcm_sframes_t card_pointer(snd_pcm_ioplug_t *io)
{
	struct card *card = io->private_data;
	if (is_there(card, "gone")) {
		leave(card);  /* the state says it; an error would become an xrun */
		return card->pointer;
	}
	if (!card->running)
		return 0;
	uint64_t moved = advance(card);
	if (has_run_dry(card, moved)) {
		card->running = false;
		tell(card, "xrun", now_ns(), filed_at(card, card->handed));
		return -EPIPE;
	}
	if (io->stream == SND_PCM_STREAM_PLAYBACK && moved > card->handed)
		moved = card->handed;
	card->pointer = (snd_pcm_sframes_t)(moved % io->buffer_size);
	return card->pointer;
}

static int card_delay(snd_pcm_ioplug_t *io, snd_pcm_sframes_t *delay)
{
	struct card *card = io->private_data;
	if (is_there(card, "gone"))
		return leave(card);
	uint64_t moved = card->running ? advance(card) : 0;
	snd_pcm_sframes_t held = (snd_pcm_sframes_t)(card->handed - moved);
	*delay = card->latency + (io->stream == SND_PCM_STREAM_PLAYBACK ? held : -held);
	return 0;
}

static int play(struct card *card, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(card->sound, data, size);
		if (written < 0)
			return -errno;
		data += written;
		size -= written;
	}
	return 0;
}

static void capture(const struct card *card, char *data, size_t size)
{
	while (size > 0) {
		ssize_t got = card->sound < 0 ? 0 : read(card->sound, data, size);
		if (got <= 0)
			break;  /* nobody writes into the FIFO, or the file is at its end */
		data += got;
		size -= got;
	}
	memset(data, 0, size);
}

static snd_pcm_sframes_t card_transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
				       snd_pcm_uframes_t offset, snd_pcm_uframes_t frames)
{
	struct card *card = io->private_data;
	size_t size = frames * io->channels * SAMPLE_BYTES;
	char *data = (char *)areas->addr + (areas->first + areas->step * offset) / 8;
	if (is_there(card, "gone"))
		return leave(card);
	if (io->stream == SND_PCM_STREAM_PLAYBACK) {
		int error = play(card, data, size);
		if (error < 0)
			return error;
		card->filed += frames;
	} else {
		capture(card, data, size);
	}
	card->handed += frames;
	return (snd_pcm_sframes_t)frames;
}

static int card_poll_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count,
			     unsigned short *revents)
{
	struct card *card = io->private_data;
	bool plays = io->stream == SND_PCM_STREAM_PLAYBACK;
	uint64_t ticks;
	(void)count;
	if ((fds->revents & POLLIN) && read(card->timer, &ticks, sizeof ticks) < 0)
		ticks = 0;
	*revents = 0;
	if (is_there(card, "gone")) {
		*revents = POLLERR | POLLNVAL;
		return 0;
	}
	if (!card->running) {
		*revents = plays ? POLLOUT : 0;
		return 0;
	}
	uint64_t moved = advance(card);
	uint64_t free = plays ? io->buffer_size - card->handed + moved : moved - card->handed;
	if (free >= io->period_size)
		*revents |= plays ? POLLOUT : POLLIN;
	if (plays ? moved >= card->handed : free > io->buffer_size)
		*revents |= POLLERR;
	return 0;
}

static void give_back(struct card *card)
{
	int owned[] = { card->folder, card->lock, card->timer, card->events, card->sound };
	for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
		close(owned[i]); /* -1 where it was not opened: no harm */
	free(card);
}

static int card_close(snd_pcm_ioplug_t *io)
{
	give_back(io->private_data);
	return 0;
}

static const snd_pcm_ioplug_callback_t callbacks = {
	.start = card_start,
	.stop = card_stop,
	.pointer = card_pointer,
	.transfer = card_transfer,
	.close = card_close,
	.hw_params = card_hw_params,
	.prepare = card_prepare,
	.poll_revents = card_poll_revents,
	.delay = card_delay,
};

static int open_files(struct card *card, const char *path, snd_pcm_stream_t stream)
{
	bool plays = stream == SND_PCM_STREAM_PLAYBACK;
	card->folder = open(path, O_DIRECTORY | O_CLOEXEC);
	if (card->folder < 0 || is_there(card, "gone"))
		return -ENODEV;
	card->lock = openat(card->folder, plays ? "playback.lock" : "capture.lock",
			    O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	card->events = openat(card->folder, "events.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			      0644);
	card->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	card->sound = plays ? openat(card->folder, "played.raw",
				     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)
			    : openat(card->folder, "capture", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (card->lock < 0 || card->events < 0 || card->timer < 0 || (plays && card->sound < 0))
		return -errno;
	return flock(card->lock, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : 0;
}

static int constrain(snd_pcm_ioplug_t *io)
{
	static const unsigned int formats[] = { SND_PCM_FORMAT_S16_LE };
	static const unsigned int accesses[] = { SND_PCM_ACCESS_RW_INTERLEAVED,
						 SND_PCM_ACCESS_MMAP_INTERLEAVED };
	static const unsigned int rates[] = { RATE };
	int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, formats);
	error = error < 0 ? error :
		snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 2, accesses);
	error = error < 0 ? error :
		snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_RATE, 1, rates);
	error = error < 0 ? error :
		snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, 1, 2);
	error = error < 0 ? error :
		snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 128, 65536);
	return error < 0 ? error :
		snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
}

static int read_settings(snd_config_t *conf, struct card *card, const char **folder)
{
	snd_config_iterator_t at, next;
	snd_config_for_each(at, next, conf) {
		snd_config_t *entry = snd_config_iterator_entry(at);
		const char *id;
		if (snd_config_get_id(entry, &id) < 0 || !strcmp(id, "type") ||
		    !strcmp(id, "comment") || !strcmp(id, "hint"))
			continue;
		int error = -EINVAL;
		if (!strcmp(id, "folder"))
			error = snd_config_get_string(entry, folder);
		else if (!strcmp(id, "ppm"))
			error = snd_config_get_ireal(entry, &card->ppm);
		else if (!strcmp(id, "latency"))
			error = snd_config_get_integer(entry, &card->latency);
		if (error < 0) {
			SNDERR("loa_card: unknown or wrong: %s", id);
			return -EINVAL;
		}
	}
	return *folder ? 0 : -EINVAL;
}

SND_PCM_PLUGIN_DEFINE_FUNC(loa_card)
{
	const char *folder = NULL;
	struct card *card = calloc(1, sizeof *card);
	(void)root;
	if (!card)
		return -ENOMEM;
	card->folder = card->lock = card->timer = card->events = card->sound = -1;
	int error = read_settings(conf, card, &folder);
	if (error >= 0)
		error = open_files(card, folder, stream);
	if (error < 0) {
		give_back(card);
		return error;
	}
	card->io.version = SND_PCM_IOPLUG_VERSION;
	card->io.name = "Loa simulated sound card";
	card->io.callback = &callbacks;
	card->io.private_data = card;
	card->io.poll_fd = card->timer;
	card->io.poll_events = POLLIN;
	error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
	if (error < 0) {
		give_back(card);
		return error;
	}
	error = constrain(&card->io);
	if (error < 0) {
		snd_pcm_ioplug_delete(&card->io); /* closes, and so gives back */
		return error;
	}
	*pcmp = card->io.pcm;
	return 0;
}
SND_PCM_PLUGIN_SYMBOL(loa_card);
