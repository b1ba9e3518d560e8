/* The little of windows.h that a program needs to load a DLL, on Linux: TicketApiDll.dll is libTicketApiDll.so. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef void *HMODULE;
typedef void (*FARPROC)(void);

static HMODULE LoadLibraryA(const char *name) {
    char file[256];
    snprintf(file, sizeof file, "lib%.*s.so", (int)strcspn(name, "."), name);
    return dlopen(file, RTLD_NOW);
}

static FARPROC GetProcAddress(HMODULE library, const char *name) {
    return (FARPROC)dlsym(library, name);
}

static int FreeLibrary(HMODULE library) {
    return dlclose(library) == 0;
}
