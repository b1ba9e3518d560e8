package com.gemplus.gemauth.api;

/**
 * The ticket of the person who is signed in, from the agent of this desktop session.
 *
 * <p>For programs that were written for the class of this name and come without it: its public methods and codes are the
 * same. The work is done by libTicketApiDll.so, which must be on java.library.path. All objects of a JVM share one
 * instance of it, so that {@link #getLastError()} tells how the last call of any of them ended.
 */
public class GATicket {
    /** What {@link System#loadLibrary} is given: libTicketApiDll.so on Linux. */
    public static final String LIBRARY_NAME = "TicketApiDll";

    public static final int TCK_API_SUCCESS = 0x00000000;
    public static final int TCK_API_ERR_INTERNAL = 0x00000001;
    public static final int TCK_API_NOTINSTALLED = 0x00000002;
    public static final int TCK_API_NOTINITIALIZED = 0x00000003;
    public static final int TCK_API_BUFFER_TO_SMALL = 0x00000004;
    public static final int TCK_API_NOSERVERFOUND = 0x00000005;
    public static final int TCK_API_VERSIONCONFLICT = 0x00000006;
    public static final int TCK_API_INVALID_INSTANCE_HANDLE = 0x00000007;
    public static final int TCK_API_USER_ABORT = 0x00000008;
    public static final int TCK_API_AUTHENTICATION_FAILED = 0x00000009;
    public static final int TCK_API_AUTHENTICATION_NOT_POSSIBLE = 0x0000000A;
    public static final int TCK_API_INTERNAL_ERROR = 0x00000100;

    private static long instance;

    /**
     * Loads the library and starts an instance, unless another object has.
     *
     * @throws Exception if the library is not on java.library.path, or cannot start: the message says why
     */
    public GATicket() throws Exception {
        synchronized (GATicket.class) {
            if (instance == 0) {
                start();
            }
        }
    }

    private void start() throws Exception {
        try {
            System.loadLibrary(LIBRARY_NAME);
        } catch (UnsatisfiedLinkError missing) {
            throw new Exception("Failed to load library: " + LIBRARY_NAME, missing);
        }
        instance = initialize(1);
        if (instance == 0) {
            long code = getLastError();
            throw new Exception(
                    "Failed to initialize GATicket: error " + Long.toHexString(code) + ", " + getErrorDescription(code));
        }
    }

    /** Returns the current ticket, after the agent has asked for card and passcode if need be; null if there is none. */
    public String getTicket() {
        return getTicketBuf(instance);
    }

    /** Returns a new ticket, for which the agent asks for card and passcode; null if there is none. */
    public String getNewTicket() {
        return getNewTicketBuf(instance);
    }

    /** Logs out. */
    public void destroyTicket() {
        destroyTicket(instance);
    }

    /** Returns one of the codes above: how the last call ended. */
    public long getLastError() {
        return getLastError(instance);
    }

    /** Returns a sentence about one of the codes above. */
    public String getErrorDescription(long error) {
        return getErrorDescription(instance, error);
    }

    /** Returns a version, 0x00010203 for 1.2.3: of the library (0) or of the agent (1); 0 if it has none. */
    public long getGAVersion(int component) {
        return getGAVersion(instance, component);
    }

    /** Does nothing: there is no output to switch on or off. */
    public void setIsDebug(boolean isDebug) {
    }

    /** Does nothing: the instance belongs to all objects, and ends with the process. */
    @Override
    public void finalize() {
    }

    private native long getDllVersion();

    private native long getGAVersion(long instance, int component);

    private native long initialize(long resource);

    private native String getTicketBuf(long instance);

    private native String getNewTicketBuf(long instance);

    private native int destroyTicket(long instance);

    private native long getLastError(long instance);

    private native String getErrorDescription(long instance, long error);

    private native void finalize(long instance);
}
