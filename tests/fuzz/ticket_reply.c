/* The ticket library's reader of replies, for a fuzzer: compiled with -fsanitize=fuzzer it is libFuzzer's target.
 * With -DJUDGE it is a program that reads replies from standard input, each after its size (4 bytes, little-endian), and
 * says of each in a line what was read: "refused", or the code and the three texts in hex ("-" for none).
 */
#include "TicketApi.c"

#include <inttypes.h>

static void require(bool holds) {
    if (!holds)
        abort();
}

/* A text is inside of the reply, whole, and UTF-8. */
static void check_text(const struct reply *reply, char *text) {
    if (text == NULL)
        return;
    require(text > reply->bytes && text + strlen(text) < reply->bytes + REPLY_SIZE);
    struct reader in = {.at = text};
    for (uint32_t point; *in.at != '\0';)
        require(read_utf8(&in, &point));
}

/* Reads a reply that lies at the very end of a block of memory, so that a sanitizer sees each byte too many. */
static bool read_at_the_end(const uint8_t *data, size_t size) {
    char *bytes = malloc(size + 1);
    struct reply reply = {.code = 0};
    struct reader in = {.at = bytes};
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    const bool is_read = read_items(&in, "{}", read_member, &reply) && take(&in, '\0');
    free(bytes);
    return is_read;
}

/* Reads a reply as the library does. Returns its code. */
static DWORD read_data(const uint8_t *data, size_t size, struct reply *reply) {
    memset(reply, 0xA5, sizeof *reply);
    reply->code = 0;
    reply->error = reply->says = reply->ticket = reply->version = NULL;
    memcpy(reply->bytes, data, size);
    reply->bytes[size] = '\0';
    return read_reply(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct reply reply;
    if (size >= REPLY_SIZE)
        return 0;
    const DWORD code = read_data(data, size, &reply);
    require(outcome_of(code) != NULL);
    const bool is_read = read_at_the_end(data, size);
    check_text(&reply, reply.says);
    if (code != TCK_API_ERR_SERVER_COMM_FAILED) {
        require(is_read);
        require((reply.error == NULL) == (code == TCK_API_SUCCESS));
        check_text(&reply, reply.error);
        check_text(&reply, reply.ticket);
        check_text(&reply, reply.version);
    }
    return 0;
}

#ifdef JUDGE
static void say(const char *text) {
    printf(text == NULL ? " -" : " =");
    for (; text != NULL && *text != '\0'; text++)
        printf("%02x", (unsigned char)*text);
}

int main(void) {
    static struct reply reply;
    static uint8_t data[REPLY_SIZE];
    for (uint32_t size; fread(&size, sizeof size, 1, stdin) == 1;) {
        require(size < REPLY_SIZE && fread(data, 1, size, stdin) == size);
        LLVMFuzzerTestOneInput(data, size);
        const bool is_read = read_at_the_end(data, size);
        const DWORD code = read_data(data, size, &reply);
        printf(is_read ? "%" PRIX32 : "refused", code);
        if (is_read) {
            say(reply.ticket);
            say(reply.says);
            say(reply.version);
        }
        printf("\n");
    }
    return 0;
}
#endif
