#include "model/cid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/hex_test.h"

#define EMPTY_DIR "59948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098bbef"
#define HELLO     "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"

static const struct {
	const char *name, *text, *bytes;
	unsigned version;
	uint64_t codec;
} good[] = {
	{ "v0, empty UnixFS directory", "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",
	  "1220" EMPTY_DIR, 0, CODEC_DAG_PB },
	{ "v1 of the same multihash, base32",
	  "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354", "01701220" EMPTY_DIR, 1,
	  CODEC_DAG_PB },
	{ "base58btc", "zdj7WbTaiJT1fgatdet9Ei9iDB5hdCxkbVyhyh8YTUnXMiwYi", "01701220" EMPTY_DIR, 1,
	  CODEC_DAG_PB },
	{ "base36", "k2jmtxtlhjl3fhmgndf92e48by79ryjuvqp3y2qgehpao6v3lurvnmcv",
	  "01701220" EMPTY_DIR, 1, CODEC_DAG_PB },
	{ "base16", "f01701220" EMPTY_DIR, "01701220" EMPTY_DIR, 1, CODEC_DAG_PB },
	{ "base32upper", "BAFYBEICZSSCDSBS7FFQZ55ASQDF3SMV6KLCW3GOFSZVWLYARCI47BGF354",
	  "01701220" EMPTY_DIR, 1, CODEC_DAG_PB },
	{ "base64url", "uAXASIFmUhDkGXylhnvQSgMu5Mr5SxW2ZxZZrZeAREjnwmLvv", "01701220" EMPTY_DIR, 1,
	  CODEC_DAG_PB },
	{ "raw", "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e", "01551220" HELLO, 1,
	  CODEC_RAW },
	{ "raw, empty block", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
	  "01551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1,
	  CODEC_RAW },
	{ "identity, empty", "bafkqaaa", "01550000", 1, CODEC_RAW },
	{ "identity", "bafkqablimvwgy3y", "0155000568656c6c6f", 1, CODEC_RAW },
	{ "dag-cbor", "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",
	  "01711220c19a797fa1fd590cd2e5b42d1cf5f246e29b91684e2f87404b81dc345c7a56a0", 1,
	  CODEC_DAG_CBOR },
	{ "dag-json, codec of two bytes",
	  "baguqeeraiqjw7i2vwntyuekgvulpp2det2kpwt6cd7tx5ayqybqpmhfk76fa",
	  "01a902122044136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 1,
	  CODEC_DAG_JSON },
	{ "sha2-512",
	  "bafkrgqbqt3gerhas23vuzrapkdeqf4vu2dwxp3srdj6hvg6nhsug2tgyn6mj3u23yx7utftq3i2ckw2fwdh5qm"
	  "hid5qf3t35yvkc5e5ottlw6",
	  "01551340309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f989dd35bc5ff4996"
	  "70da34255b45b0cfd830e81f605dcf7dc5542e93ae9cd76f",
	  1, CODEC_RAW },
	{ "blake2b-256, function of three bytes",
	  "bafk2bzaceaswza5ss4iu2ia3galz6pyo6dfm5f4dmiw2lf2de22dmf4k533ba",
	  "0155a0e40220256c83b297114d201b30179f3f0ef0cace9783622da5974326b436178aeef610", 1,
	  CODEC_RAW },
	{ "libp2p-key", "k51qzi5uqu5dh9xctmfy9dlgvcmkn9lp6wlqb2tm8568r5g45wyu379bu4xrgq",
	  "01720024080112202bd76823d6de7bdd8cbd010a6b40f7f2ad230d7a7cc4c59af2e160c70036b54a", 1,
	  CODEC_LIBP2P_KEY },
};

static void each_text_stands_for_its_bytes_and_back(void **state UNUSED)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct hex_bytes h = hex(good[i].bytes);
		char base, text[CID_TEXT_MAX];
		struct err err = { 0 };
		struct cid cid, again;

		print_message("%s\n", good[i].name);
		assert_true(cid_parse(slice_str(good[i].text), &cid, &base, &err));
		assert_true(slice_eq(cid_slice(&cid), HEX_SLICE(h)));
		assert_int_equal(cid_version(&cid), good[i].version);
		assert_int_equal(cid_codec(&cid), good[i].codec);
		assert_int_equal(cid_text(&cid, base, text), strlen(good[i].text));
		assert_string_equal(text, good[i].text);
		assert_true(cid_decode(HEX_SLICE(h), &again, &err));
		assert_true(cid_eq(&cid, &again));
		assert_true(cid_check_pinnable(&cid, &err));
	}
}

static void texts_that_are_no_canonical_cid_are_refused(void **state UNUSED)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "empty" },
		{ "Q", "begins with \"Q\"" },
		{ "QmInvalid0OIl", "46 in all; this has 13" },
		{ "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N0", "base58btc digit" },
		{ "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3N", "this has 45" },
		{ "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nnn", "this has 47" },
		{ "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q", "peer id" },
		{ "nothing", "begins with \"n\"; one looks like" },
		{ "Qmzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", "34 bytes" },
		{ "zQmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "Qm..." },
		{ "f1220" EMPTY_DIR, "Qm..." },
		{ "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5", "it was cut" },
		{ "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5f", "say nothing" },
		{ "bAFKREIFZJUT3TE2NHYEKKLSS27NH3K72YSCO7Y32KOAO5EEI66WOF36N5E", "base32 digit" },
		{ "BAFYBEICZSSCDSBS7FFQZ55ASQDF3SMV6KLCW3GOFSZVWLYARCI47BGF35a", "base32upper" },
		{ "bafkqaaa=", "base32 digit" },
		{ " bafkqaaa", "begins with \" \"" },
		{ "bafkqaaa ", "base32 digit" },
		{ "bafkqaaa\n", "base32 digit" },
		{ "/ipfs/bafkqaaa", "path" },
		{ "/ipfs/QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "path" },
		{ "ipfs://bafkqaaa", "URL" },
		{ "bafkqaaa/index.html", "path" },
		{ "f0155000000", "digest has 1 bytes" },
		{ "f01551220b94d27", "digest has 3 bytes" },
		{ "f02551200", "version 2" },
		{ "f03551200", "version 3" },
		{ "f01d5000000", "codec" },
		{ "f0155920000", "hash function" },
		{ "f01558000", "hash function" },
		{ "f015500808000", "digest length" },
		{ "f8100550000", "version" },
		{ "f", "empty" },
		{ "f01", "codec" },
		{ "f0155", "hash function" },
		{ "f015500", "digest length" },
		{ "\xf0\x9f\x9a\x80", "begins with" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cid cid = { .len = 77 };
		struct err err = { 0 };
		char base = '!';

		assert_false(cid_parse(slice_str(bad[i].text), &cid, &base, &err));
		print_message("%s\n", err.text);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, bad[i].why));
		assert_int_equal(cid.len, 77);
		assert_int_equal(base, '!');
	}
}

static void bytes_that_are_no_cid_are_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"",
		"00",
		"01",
		"0155000000",
		"01551220b94d27",
		"02551200",
		"1114" EMPTY_DIR,
		"1114b94d27b9934d3e08a52e52d7da7dabfac484efe3",
		"1220" EMPTY_DIR "00",
		"1220b94d27",
		"01d5000000",
		"810055"
		"0000",
		"0155ffffffffffffffffff0100",
		"01550085808080808080800000",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hex_bytes h = hex(bad[i]);
		struct err err = { 0 };
		struct cid cid;

		print_message("\"%s\"\n", bad[i]);
		assert_false(cid_decode(HEX_SLICE(h), &cid, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

static void the_longest_cid_has_a_text_and_a_longer_one_is_refused(void **state UNUSED)
{
	uint8_t bytes[CID_MAX + 1] = { 0x01, 0x55, 0x00, 0x9b, 0x01 };
	char text[CID_TEXT_MAX], longer[CID_TEXT_MAX + 2];
	struct cid cid, again;
	struct err err = { 0 };
	size_t n;

	assert_true(cid_decode(SLICE_OF(bytes, CID_MAX), &cid, &err));
	n = cid_text(&cid, 'f', text);
	assert_int_equal(n, CID_TEXT_MAX - 1);
	assert_true(cid_parse(SLICE_OF(text, n), &again, NULL, &err));
	assert_true(cid_eq(&cid, &again));

	bytes[3]++;
	assert_false(cid_decode(SLICE_OF(bytes, CID_MAX + 1), &cid, &err));
	snprintf(longer, sizeof(longer), "%s00", text);
	assert_false(cid_parse(slice_str(longer), &cid, NULL, &err));
	assert_non_null(strstr(err.text, "at most"));
}

static void without_a_base_the_text_is_the_one_kubo_prints(void **state UNUSED)
{
	struct cid cid;
	char text[CID_TEXT_MAX], base;
	struct err err;

	assert_true(cid_parse(slice_str(good[4].text), &cid, &base, &err));
	cid_text(&cid, 0, text);
	assert_string_equal(text, good[1].text);
	cid_text(&cid, CID_BASE_V0, text);
	assert_string_equal(text, good[1].text);
	assert_true(cid_parse(slice_str(good[0].text), &cid, &base, &err));
	cid_text(&cid, 'b', text);
	assert_string_equal(text, good[0].text);
}

static void v0_and_v1_share_a_multihash_but_differ(void **state UNUSED)
{
	struct cid v0, v1;
	struct err err;

	assert_true(cid_parse(slice_str(good[0].text), &v0, NULL, &err));
	assert_true(cid_parse(slice_str(good[1].text), &v1, NULL, &err));
	assert_true(slice_eq(cid_multihash(&v0), cid_multihash(&v1)));
	assert_false(cid_eq(&v0, &v1));
}

#define D20 "0102030405060708090a0b0c0d0e0f1011121314"
#define D32 HELLO
#define D64 HELLO HELLO

static void only_hashes_that_kubo_accepts_are_pinnable(void **state UNUSED)
{
	static const struct {
		const char *bytes;
		const char *why; /* NULL: pinnable */
	} cases[] = {
		{ "01551220" D32, NULL },
		{ "01551214" D20, NULL }, /* cut, but long enough for Kubo */
		{ "01551114" D20, NULL },
		{ "01551340" D64, NULL },
		{ "01551440" D64, NULL },
		{ "01551620" D32, NULL },
		{ "01551920" D32, NULL },
		{ "01551b20" D32, NULL },
		{ "01551e20" D32, NULL },
		{ "01551e8001" D64 D64, NULL },
		{ "01555620" D32, NULL },
		{ "0155a0e40220" D32, NULL },
		{ "0155c0e40240" D64, NULL },
		{ "015594e40214" D20, NULL },
		{ "0155e0e40220" D32, NULL },
		{ "0155008001" D64 D64, NULL },
		{ "015512130102030405060708090a0b0c0d0e0f10111213",
		  "19 bytes, allowed are 20 to 32" },
		{ "01551240" D64, "64 bytes, allowed are 20 to 32" },
		{ "01551200", "0 bytes, allowed are 20 to 32" },
		{ "01551e8101" D64 D64 "00", "129 bytes, allowed are 20 to 128" },
		{ "0155008101" D64 D64 "00", "129 bytes, allowed are 0 to 128" },
		{ "0155d50110"
		  "0102030405060708090a0b0c0d0e0f10",
		  "md5 (0xd5) is not accepted" },
		{ "01551820" D32, "shake-128 (0x18)" },
		{ "015593e40213"
		  "0102030405060708090a0b0c0d0e0f10111213",
		  "unknown (0xb213)" },
		{ "0155d3e40213"
		  "0102030405060708090a0b0c0d0e0f10111213",
		  "unknown (0xb253)" },
		{ "0155ffff0320" D32, "unknown (0xffff)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hex_bytes h = hex(cases[i].bytes);
		struct err err = { 0 };
		struct cid cid;

		print_message("%s\n", cases[i].bytes);
		assert_true(cid_decode(HEX_SLICE(h), &cid, &err));
		assert_int_equal(cid_check_pinnable(&cid, &err), cases[i].why == NULL);
		if (!cases[i].why)
			continue;
		print_message("%s\n", err.text);
		assert_non_null(strstr(err.text, cases[i].why));
		assert_non_null(strstr(err.text, "add the content again"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_text_stands_for_its_bytes_and_back),
		cmocka_unit_test(texts_that_are_no_canonical_cid_are_refused),
		cmocka_unit_test(bytes_that_are_no_cid_are_refused),
		cmocka_unit_test(the_longest_cid_has_a_text_and_a_longer_one_is_refused),
		cmocka_unit_test(without_a_base_the_text_is_the_one_kubo_prints),
		cmocka_unit_test(v0_and_v1_share_a_multihash_but_differ),
		cmocka_unit_test(only_hashes_that_kubo_accepts_are_pinnable),
	};
	return cmocka_run_group_tests_name("model/cid", tests, NULL, NULL);
}
