/* seed DIR: writes the corpora of `codec` and `messages` anew, after a change
 * of the .proto files. The files are kept in git: a corpus is history, too. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/check.h"
#include "draw.h"
#include "message_types.h"

enum { N_OF_KIND = 6, N_OF_TYPE = 1 };

static void write_file(const char *dir, const char *name, struct bytes data)
{
	char path[1024];

	mkdir(dir, 0755); /* it may stand already; fopen will tell */
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "wb");
	CHECK(f != NULL);
	CHECK(fwrite(data.data, 1, data.len, f) == data.len);
	CHECK(fclose(f) == 0);
}

static void write_frames(const char *dir)
{
	for (int kind = 1; kind < CODEC__N; kind++) {
		const ProtobufCMessageDescriptor *type =
			message_type_of((enum codec_kind)kind);
		for (uint64_t i = 0; i < N_OF_KIND; i++) {
			struct rng r;
			char name[128];
			rng_init(&r, i);
			ProtobufCMessage *m = draw_message(&r, type);
			struct blob *b = codec_seal((enum codec_kind)kind, m);
			snprintf(name, sizeof name, "%s-%d", type->short_name,
				 (int)i);
			write_file(dir, name, blob_bytes(b));
			blob_unref(b);
			protobuf_c_message_free_unpacked(m, NULL);
		}
	}
}

static void write_messages(const char *dir)
{
	size_t n_types;
	const ProtobufCMessageDescriptor *const *types =
		message_types(&n_types);

	for (size_t i = 0; i < n_types; i++) {
		struct rng r;
		rng_init(&r, i);
		ProtobufCMessage *m = draw_message(&r, types[i]);
		size_t len = protobuf_c_message_get_packed_size(m);
		struct blob *b = blob_new(len);
		protobuf_c_message_pack(m, b->data);
		write_file(dir, types[i]->name, blob_bytes(b));
		blob_unref(b);
		protobuf_c_message_free_unpacked(m, NULL);
	}
}

int main(int argc, char **argv)
{
	char dir[512];

	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS_DIR\n", argv[0]);
		return 64;
	}
	snprintf(dir, sizeof dir, "%s/codec", argv[1]);
	write_frames(dir);
	snprintf(dir, sizeof dir, "%s/messages", argv[1]);
	write_messages(dir);
	return 0;
}
