package com.gemplus.gemauth.api;

/**
 * Stands in for a class of this name that a program brings along: one native instance for all objects, which each of
 * them finalizes when it is collected, and public methods that hide whatever goes wrong.
 */
public class GATicket {
    private static boolean loaded = false;
    private static long handle = 0;

    public GATicket() throws Exception {
        if (!loaded) {
            System.loadLibrary("TicketApiDll");
            loaded = true;
        }
        if (handle == 0) {
            handle = initialize(1);
        }
        if (handle == 0) {
            long error = getLastError(0);
            throw new Exception("No TICKET_API, error=" + Long.toHexString(error) + "[" + getErrorDescription(0, error) + "]");
        }
    }

    public String getTicket() {
        try {
            return getTicketBuf(handle);
        } catch (Throwable error) {
            return null;
        }
    }

    public String getNewTicket() {
        try {
            return getNewTicketBuf(handle);
        } catch (Throwable error) {
            return null;
        }
    }

    public void destroyTicket() {
        destroyTicket(handle);
    }

    public long getLastError() {
        return getLastError(handle);
    }

    public String getErrorDescription(long error) {
        return getErrorDescription(handle, error);
    }

    public long getGAVersion(int which) {
        return getGAVersion(handle, which);
    }

    public void finalize() {
        finalize(handle);
    }

    private native long getDllVersion();

    private native long getGAVersion(long hInst, int iWhat);

    private native long initialize(long resId);

    private native String getTicketBuf(long hInst);

    private native String getNewTicketBuf(long hInst);

    private native int destroyTicket(long hInst);

    private native long getLastError(long hInst);

    private native String getErrorDescription(long hInst, long error);

    private native void finalize(long hInst);
}
